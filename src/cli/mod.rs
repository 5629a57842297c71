//! The commands `healthcheck`, `import`, `export` and `token`.

pub mod healthcheck;
pub mod import_export;
pub mod token;

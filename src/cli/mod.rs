//! The commands `healthcheck`, `import` and `export`.

pub mod healthcheck;
pub mod import_export;

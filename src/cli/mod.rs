//! The commands other than `serve`.

pub mod database;
pub mod healthcheck;
pub mod import_export;
pub mod settings;
pub mod token;

//! The commands of the command line that have more to do than print something.

pub mod healthcheck;
pub mod import_export;

//! The commands.

pub mod backup;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod healthcheck;
pub mod import_export;
mod input;
mod output;
mod progress;
pub mod serve;
pub mod settings;
pub mod token;
mod transfer_error;

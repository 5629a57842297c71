//! How the server logs: text for people, JSON for machines, always to the standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::{Config, LogFormat};

/// Starts logging for the whole process.
///
/// # Errors
/// The filter is none.
pub fn start(config: &Config) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|error| format!("--log `{}`: {error}", config.log))?;
    let terminal = io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    };
    let registry = tracing_subscriber::registry().with(filter);
    if json {
        registry
            .with(fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(io::stderr))
            .init();
    } else {
        registry.with(fmt::layer().with_ansi(terminal).with_writer(io::stderr)).init();
    }
    Ok(())
}

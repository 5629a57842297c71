//! `stockmeter doctor`: checks the settings, the database and the machine, and changes nothing.

mod database;
mod machine;
mod replica;

use std::fmt;

use super::output::print;
use crate::{config::Config, server};

/// Result of one check.
#[derive(Debug)]
struct Finding {
    level: Level,
    /// Name of the check.
    subject: &'static str,
    /// The result, and the remedy if one is needed.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    /// The server works, but something may not be intended.
    Warning,
    /// The server does not start or does not work.
    Failed,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        })
    }
}

fn ok(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, subject, text: text.into() }
}

fn warning(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, subject, text: text.into() }
}

fn failed(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { level: Level::Failed, subject, text: text.into() }
}

/// Runs all checks and prints a line for each as soon as it is known. `unknown_variables` are variables that are probably misspelt.
///
/// # Errors
/// Returns a message if a check has failed, or if standard output cannot be written.
pub async fn run(config: &Config, unknown_variables: &[String]) -> Result<(), String> {
    let mut failures = 0;
    let mut report = |findings: Vec<Finding>| {
        for Finding { level, subject, text } in findings {
            failures += u32::from(level == Level::Failed);
            // Texts of databases may have line breaks.
            print(&format!("{level:<8} {subject:<12} {}\n", text.replace('\n', " ")))?;
        }
        Ok::<_, String>(())
    };
    report(vec![settings(config, unknown_variables)])?;
    match server::database_url(config) {
        Ok(url) => {
            report(database::check(&url, config).await)?;
            report(replica::check(config).await.into_iter().collect())?;
            report(machine::check(url.file(), config))?;
        }
        Err(error) => {
            report(vec![failed("database", error.to_string())])?;
            report(machine::check(None, config))?;
        }
    }
    match failures {
        0 => Ok(()),
        1 => Err("1 check has failed".to_owned()),
        count => Err(format!("{count} checks have failed")),
    }
}

fn settings(config: &Config, unknown_variables: &[String]) -> Finding {
    let subject = "settings";
    if let Err(error) = config.access.options(config.limits.failed_authentications) {
        return failed(subject, error);
    }
    if !unknown_variables.is_empty() {
        let names = unknown_variables.join(", ");
        return warning(subject, format!("unknown environment variables: {names}; correct or remove them"));
    }
    if config.access.ignores_secret_key() {
        return warning(
            subject,
            "SECRET_KEY has no effect: set STOCKMETER_JWT_SECRET_KEY=true to use it, or remove it",
        );
    }
    ok(subject, "all are valid")
}

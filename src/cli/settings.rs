//! `stockmeter config`: prints the settings as a TOML file.

use std::fmt::Write;

use clap::{Arg, ArgMatches, Args, Command, parser::ValueSource};

use crate::config::{Config, FileSources};

/// Returns the effective settings as a TOML file. The comment of each line says where its value comes from. Secrets and
/// settings without a value are only named in comments.
pub fn effective(matches: &ArgMatches, files: &FileSources) -> String {
    let lines = settings().into_iter().map(|setting| {
        let name = setting.get_id().as_str();
        let source = source(&setting, matches, files);
        let values = matches.get_raw(name).unwrap_or_default();
        let values = values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
        match (values.is_empty(), setting.is_hide_env_values_set()) {
            (true, _) => format!("# {name} is not set\n"),
            (false, true) => format!("# {name} is hidden, {source}\n"),
            (false, false) => format!("{name} = {}  # {source}\n", quoted(&values)),
        }
    });
    lines.collect()
}

/// Returns a TOML file with all settings as comments: meaning, environment variable and default.
pub fn example() -> String {
    let mut text = "# Settings of Stockmeter. Flags and environment variables override them.\n".to_owned();
    for setting in settings() {
        let help = setting.get_help().map(ToString::to_string).unwrap_or_default();
        let variable = setting.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
        let default = setting.get_default_values().iter().map(|value| value.to_string_lossy());
        let default = quoted(&default.collect::<Vec<_>>().join(","));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# {help} ({variable})\n# {} = {default}\n", setting.get_id());
    }
    text
}

/// Returns all settings but the name of the TOML file, which cannot be in the file.
fn settings() -> Vec<Arg> {
    let command = Config::augment_args(Command::new("stockmeter"));
    command.get_arguments().filter(|arg| arg.get_id() != "config").cloned().collect()
}

fn source(setting: &Arg, matches: &ArgMatches, files: &FileSources) -> String {
    let name = setting.get_id().as_str();
    match matches.value_source(name) {
        Some(ValueSource::CommandLine) => "command line".to_owned(),
        Some(ValueSource::EnvVariable) => {
            let variable = setting.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
            format!("environment variable {variable}")
        }
        _ => files.get(name).map_or_else(|| "default".to_owned(), |file| file.display().to_string()),
    }
}

/// Returns the text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

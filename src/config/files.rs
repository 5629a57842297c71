//! Settings in files and in the environment.

use std::{collections::HashMap, path::PathBuf};

use clap::{Command, builder::Resettable};

/// Files in which settings were found, by the names of the settings.
pub type FileSources = HashMap<String, PathBuf>;

/// Largest number of typing errors for which a name is suggested.
const TYPING_ERRORS: usize = 3;

/// Returns the command with the settings of files as its defaults, and these files: the TOML file, if one is given, and
/// the files of secrets.
///
/// # Errors
/// Returns a message if a file cannot be read, or if the TOML file has invalid syntax or an unknown key.
pub fn with_files(command: Command) -> Result<(Command, FileSources), String> {
    let mut sources = FileSources::new();
    let command = with_toml(without_empty_variables(command), &mut sources)?;
    Ok((with_secret_files(command, &mut sources)?, sources))
}

fn with_toml(mut command: Command, sources: &mut FileSources) -> Result<Command, String> {
    let Some(path) = command
        .clone()
        .ignore_errors(true)
        .try_get_matches()
        .ok()
        .and_then(|matches| matches.get_one::<PathBuf>("config").cloned())
    else {
        return Ok(command);
    };
    let name = path.display();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {name}: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // The full error text would quote the line, which may contain a password.
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        format!("invalid TOML in {name}, line {line}: {}", error.message())
    })?;
    for (key, value) in table {
        let is_setting = |arg: &clap::Arg| arg.is_global_set() && arg.get_id() == key.as_str();
        if key == "config" || !command.get_arguments().any(is_setting) {
            return Err(format!("unknown setting `{key}` in {name}; `stockmeter --help` lists all settings"));
        }
        // `to_string` would put quotes around a string.
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = match &value {
            toml::Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
            other => text(other),
        };
        // As an empty environment variable, it counts as unset.
        if value.is_empty() {
            continue;
        }
        sources.insert(key.clone(), path.clone());
        command = command.mut_arg(key, |arg| arg.default_value(value));
    }
    Ok(command)
}

/// Makes the contents of files the defaults of secret settings: `DATABASE_URL_FILE` names the file of
/// `DATABASE_URL`. Container engines offer secrets as files.
///
/// # Errors
/// Returns a message if a file cannot be read.
fn with_secret_files(mut command: Command, sources: &mut FileSources) -> Result<Command, String> {
    let secrets = command.get_arguments().filter(|arg| arg.is_hide_env_values_set());
    let files = secrets.filter_map(|arg| {
        let name = format!("{}_FILE", arg.get_env()?.to_str()?);
        let file = std::env::var_os(&name).filter(|file| !file.is_empty())?;
        Some((arg.get_id().clone(), name, PathBuf::from(file)))
    });
    let files: Vec<_> = files.collect();
    for (id, name, file) in files {
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot read the file {} of {name}: {error}", file.display()))?;
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        sources.insert(id.to_string(), file);
        command = command.mut_arg(id, |arg| arg.default_value(text).hide_default_value(true));
    }
    Ok(command)
}

/// Makes variables that are set but empty count as unset, for example those of Compose's `${NAME:-}`.
fn without_empty_variables(mut command: Command) -> Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let empty = command.get_arguments().filter(|arg| arg.get_env().is_some_and(is_empty));
    let ids: Vec<clap::Id> = empty.map(|arg| arg.get_id().clone()).collect();
    for id in ids {
        command = command.mut_arg(id, |arg| arg.env(Resettable::Reset));
    }
    command
}

/// Returns the environment variables that start with `STOCKMETER_` but are not settings, each with the setting that is
/// probably meant. They may be misspelt, but also legitimate: Kubernetes sets `STOCKMETER_PORT` for a service named
/// `stockmeter`.
pub fn unknown_variables(command: &Command) -> Vec<String> {
    let is_setting = |name: &str| {
        command.get_arguments().any(|arg| {
            let is_secret = arg.is_hide_env_values_set();
            let of_file = name.strip_suffix("_FILE").filter(|_| is_secret);
            arg.get_env().is_some_and(|env| env == name || of_file.is_some_and(|name| env == name))
        })
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown = names.filter(|name| name.starts_with("STOCKMETER_") && !is_setting(name));
    unknown.map(|name| with_suggestion(command, name)).collect()
}

fn with_suggestion(command: &Command, name: String) -> String {
    let known = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    let distances = known.map(|known| (strsim::damerau_levenshtein(known, &name), known));
    match distances.min() {
        Some((distance, known)) if distance <= TYPING_ERRORS => format!("{name} (did you mean {known}?)"),
        _ => name,
    }
}

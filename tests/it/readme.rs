//! The examples in the README work as printed, and its tables of routes and settings match the program.

use std::{fs, path::Path, process::Command};

use clap::Args;
use stockmeter::{
    app::{
        openapi,
        routes::{Permission, ROUTES},
    },
    config::Config,
};

use crate::harness::{Server, Store};

on_both_stores!(the_examples_work_as_printed);

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// Returns the fenced code blocks with the language `kind` in order, each with the text after it.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
    let fence = format!("```{kind}\n");
    let starts = text.match_indices(&fence).map(|(index, _)| &text[index + fence.len()..]);
    starts.map(|rest| rest.split_once("```\n").unwrap()).collect()
}

async fn the_examples_work_as_printed(store: Store) {
    let server = Server::start(store).await;
    let readme = readme();
    let examples = blocks(&readme, "sh");
    assert_eq!(examples.len(), blocks(&readme, "output").len());
    for (script, rest) in examples {
        let expected = blocks(rest, "output")[0].0.trim_end();
        let script = script.replace("127.0.0.1:8000", &server.address);
        let output = tokio::task::spawn_blocking(move || {
            Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap()
        });
        let printed = String::from_utf8(output.await.unwrap().stdout).unwrap();
        assert_eq!(printed.replace('\r', "").trim_end(), expected);
    }
}

#[test]
fn the_tables_match_the_program() {
    let readme = replace_table(&readme(), "routes", &routes_table());
    let readme = replace_table(&readme, "settings", &settings_table());
    crate::contracts::assert_file_is_current("README.md", &readme);
}

/// Returns the README with a new text between the markers of a table.
fn replace_table(readme: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = readme.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}{table}{end}{after}")
}

fn routes_table() -> String {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut table = "| Route | Description | Scope | Success |\n|---|---|---|---|\n".to_owned();
    for route in ROUTES.iter().filter(|route| route.is_documented) {
        let operation = &document["paths"][route.template][route.method.to_lowercase()];
        let summary = operation["summary"].as_str().unwrap();
        let successes = route.statuses.iter().filter(|status| **status < 400).map(u16::to_string);
        let successes = successes.collect::<Vec<_>>().join(", ");
        let scope = match route.permission {
            Permission::Public => "",
            Permission::Scope(scope) => scope.name(),
            Permission::PerOperation => "of the operation",
        };
        table.push_str(&format!(
            "| `{} {}` | {summary} | {scope} | {successes} |\n",
            route.method, route.template
        ));
    }
    table
}

fn settings_table() -> String {
    let command = Config::augment_args(clap::Command::new("stockmeter"));
    let mut table = "| Flag | Environment | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    for setting in command.get_arguments() {
        let (flag, name) = (setting.get_long().unwrap(), setting.get_env().unwrap().to_str().unwrap());
        let default = setting.get_default_values().first().and_then(|value| value.to_str());
        let default = default.map(|value| format!("`{value}`")).unwrap_or_default();
        let help = setting.get_help().unwrap().to_string().replace('|', "\\|");
        table.push_str(&format!("| `--{flag}` | `{name}` | {default} | {help} |\n"));
    }
    table
}

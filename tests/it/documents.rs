//! The examples in the documents work as printed, their tables match the program, their links lead to files, and
//! the guide for AWS deploys this version.

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

/// Documents with examples. Each one starts with an empty catalog.
const WITH_EXAMPLES: [&str; 3] = ["README.md", "docs/rest.md", "docs/graphql.md"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// Returns the fenced code blocks with the language `kind` in order, each with the text after it.
fn blocks<'a>(text: &'a str, kind: &str) -> Vec<(&'a str, &'a str)> {
    let fence = format!("```{kind}\n");
    let starts = text.match_indices(&fence).map(|(index, _)| &text[index + fence.len()..]);
    starts.map(|rest| rest.split_once("```\n").unwrap()).collect()
}

async fn the_examples_work_as_printed(store: Store) {
    for document in WITH_EXAMPLES {
        let server = Server::start(store).await;
        let text = read(document);
        let examples = blocks(&text, "sh");
        assert!(!examples.is_empty() && examples.len() == blocks(&text, "output").len(), "{document}");
        for (script, rest) in examples {
            let expected = blocks(rest, "output")[0].0.trim_end();
            let script = script.replace("127.0.0.1:8000", &server.address);
            let output = tokio::task::spawn_blocking(move || {
                Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap()
            });
            let printed = String::from_utf8(output.await.unwrap().stdout).unwrap();
            assert_eq!(printed.replace('\r', "").trim_end(), expected, "{document}");
        }
    }
}

#[test]
fn the_tables_match_the_program() {
    for (document, name, table) in
        [("docs/rest.md", "routes", routes_table()), ("docs/configuration.md", "settings", settings_table())]
    {
        let text = replace_table(&read(document), name, &table);
        crate::contracts::assert_file_is_current(document, &text);
    }
}

#[test]
fn the_aws_guide_deploys_this_version() {
    let line = concat!("VERSION=", env!("CARGO_PKG_VERSION"), "\n");
    assert!(read("deploy/aws/cloud-init.yml").contains(line), "deploy/aws/cloud-init.yml lacks {line}");
}

/// Returns a document with a new text between the markers of a table.
fn replace_table(document: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = document.split_once(&start).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{start}{table}{end}{after}")
}

#[test]
fn the_links_lead_to_files() {
    let documents = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    let deploy = ["deploy/production/README.md", "deploy/aws/README.md"];
    let documents = documents.chain(top.iter().chain(&deploy).map(|name| root().join(name)));
    let mut links = 0;
    for document in documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") {
                continue;
            }
            let file = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            assert!(file.exists(), "{target} in {}", document.display());
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&file).unwrap();
                let mut anchors = headings.lines().filter_map(|line| line.strip_prefix('#')).map(anchor_of);
                assert!(anchors.any(|known| known == anchor), "{target} in {}", document.display());
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links} links were found");
}

/// Returns the anchor that GitHub gives a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|character| character.is_alphanumeric() || "-_".contains(*character)).collect()
}

fn routes_table() -> String {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut table = "| Route | Description | Scope | Success |\n|---|---|---|---|\n".to_owned();
    for route in ROUTES.iter().filter(|route| !route.is_console) {
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

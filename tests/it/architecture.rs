//! The direction of dependencies, checked in the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        return vec![folder.to_owned()];
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// The code without comments and white space, and with `crate::` before each module of a `use crate::{…}`.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(str::chars).filter(|char| !char.is_whitespace()).collect();
    let Some((before, rest)) = code.split_once("usecrate::{") else {
        return code;
    };
    let (mut depth, mut expanded) = (0, String::from("crate::"));
    for char in rest.split_once("};").unwrap().0.chars() {
        depth += i32::from(char == '{') - i32::from(char == '}');
        expanded.push(char);
        if char == ',' && depth == 0 {
            expanded.push_str("crate::");
        }
    }
    format!("{before};use{expanded};{}", rest.split_once("};").unwrap().1)
}

#[test]
fn each_module_names_only_those_below_it() {
    let http = ["axum", "async_graphql", "tower_http", "opentelemetry", "prometheus"];
    let upper = [
        "crate::rest",
        "crate::graphql",
        "crate::operations",
        "crate::app",
        "crate::server",
        "crate::http",
        "crate::telemetry",
    ];
    for (module, forbidden) in [
        ("entity/src", [&http[..], &["serde", "tokio"]].concat()),
        ("migration/src", [&http[..], &["useentity", "tokio"]].concat()),
        ("src/request_context.rs", [&http[..], &upper[..], &["crate::catalog", "crate::database"]].concat()),
        ("src/database", [&http[..], &upper[..], &["crate::catalog"]].concat()),
        ("src/catalog", [&http[..], &upper[..]].concat()),
        ("src/formats", [&http[..], &upper[..], &["sea_orm"]].concat()),
        (
            "src/rest",
            vec![
                "sea_orm",
                "async_graphql",
                "opentelemetry",
                "crate::graphql",
                "crate::telemetry",
                "crate::app",
                "crate::server",
            ],
        ),
        (
            "src/graphql",
            vec![
                "sea_orm",
                "opentelemetry",
                "crate::rest",
                "crate::telemetry",
                "crate::app",
                "crate::server",
            ],
        ),
        (
            "src/telemetry",
            vec![
                "crate::catalog",
                "crate::rest",
                "crate::graphql",
                "crate::operations",
                "crate::app",
                "crate::server",
                "sea_orm",
            ],
        ),
    ] {
        let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(module));
        assert!(!files.is_empty(), "{module}");
        for file in files {
            let code = code(&file);
            let found = forbidden.iter().find(|word| code.contains(*word));
            assert!(found.is_none(), "{} names {}", file.display(), found.unwrap());
        }
    }
}

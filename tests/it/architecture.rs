//! The direction of dependencies, kept by reading the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if path.is_file() {
        return vec![path];
    }
    let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect();
    assert!(!files.is_empty(), "{folder}");
    files
}

#[test]
fn each_room_names_only_those_below_it() {
    let http = ["axum", "async_graphql", "tower_http", "opentelemetry", "prometheus"];
    let upstairs = ["crate::rest", "crate::graphql", "crate::server", "crate::problem", "crate::telemetry"];
    for (room, forbidden) in [
        ("entity/src", [&http[..], &["serde", "tokio"]].concat()),
        ("migration/src", [&http[..], &["entity::", "tokio"]].concat()),
        ("src/database", [&http[..], &upstairs[..], &["crate::catalog"]].concat()),
        ("src/catalog", [&http[..], &upstairs[..]].concat()),
        ("src/rest", vec!["sea_orm", "async_graphql", "opentelemetry", "crate::graphql", "crate::telemetry"]),
        ("src/graphql", vec!["sea_orm", "opentelemetry", "crate::rest", "crate::telemetry"]),
        (
            "src/telemetry",
            vec!["crate::catalog", "crate::rest", "crate::graphql", "crate::server", "sea_orm"],
        ),
    ] {
        for file in sources(room) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let found = forbidden.iter().find(|word| line.contains(*word));
                assert!(found.is_none(), "{} names {}: {line}", file.display(), found.unwrap());
            }
        }
    }
}

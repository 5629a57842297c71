//! What others build on, as it was last agreed. `UPDATE=1 scripts/test` renews the files after a change that
//! is meant.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::harness::{Server, Store};

#[track_caller]
pub fn agrees(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, now).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), now, "{file} differs; UPDATE=1 renews it");
}

#[tokio::test]
async fn the_graphql_schema_is_the_one_in_schema_graphql() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::harness::binary(folder.path()).arg("schema").output().await.unwrap();
    agrees("schema.graphql", &String::from_utf8(output.stdout).unwrap());
}

#[tokio::test]
async fn the_openapi_document_is_the_one_in_openapi_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::harness::binary(folder.path()).arg("openapi").output().await.unwrap();
    agrees("openapi.json", &String::from_utf8(output.stdout).unwrap());
}

/// Names, types and label names; with one request, so that the histogram is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_the_ones_agreed() {
    let server = Server::start(Store::Sqlite).await;
    server.graphql("{ __typename }", json!({})).await;
    let text = server.get("/metrics").await.text;
    let labels_of = |name: &str| {
        let series = text.lines().filter_map(|line| line.strip_prefix(name));
        let series = series.map(|rest| {
            let rest =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
            rest.strip_prefix('{').and_then(|rest| rest.split_once("} ")).map_or("", |(labels, _)| labels)
        });
        let names = series.flat_map(|labels| labels.split("\",")).filter_map(|label| label.split_once('='));
        names.map(|(name, _)| name.to_owned()).collect::<BTreeSet<_>>()
    };
    let mut list = String::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        let labels = labels_of(name).into_iter().collect::<Vec<_>>().join(",");
        list.push_str(&format!("{line} {{{labels}}}\n"));
    }
    agrees("tests/it/contracts/metrics.txt", &list);
}

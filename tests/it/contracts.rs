//! Published contracts: the GraphQL schema, the OpenAPI document and the metrics.
//! `UPDATE=1 scripts/test` updates the files after an intended change.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::harness::{Setup, Store, eventually};

/// Asserts that a file of the repository has this content. With `UPDATE=1`, writes the content first.
#[track_caller]
pub fn assert_file_is_current(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, content).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        content,
        "{file} is outdated; UPDATE=1 updates it"
    );
}

#[tokio::test]
async fn the_graphql_schema_matches_schema_graphql() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::harness::binary(folder.path()).arg("schema").output().await.unwrap();
    assert_file_is_current("schema.graphql", &String::from_utf8(output.stdout).unwrap());
}

#[tokio::test]
async fn the_openapi_document_matches_openapi_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = crate::harness::binary(folder.path()).arg("openapi").output().await.unwrap();
    assert_file_is_current("openapi.json", &String::from_utf8(output.stdout).unwrap());
}

/// Compares the documented table with the metrics that a server exposes after a few requests.
#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_match_docs_metrics_md() {
    // A primary may be its own replica.
    let setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let url = setup.database_url.clone();
    let server = setup.with("DATABASE_READ_URL", url).start().await;
    let lag = async || server.metric("database_replica_lag_seconds").await.is_some();
    eventually("the replica is measured", lag).await;
    server.post("/products", r#"{"name":"a","price":1,"amount":1}"#).await;
    server.graphql("{ products { nodes { id } } }", json!({})).await;
    server.get("/metrics").await;
    let text = server.get("/metrics").await.text;
    let mut table =
        "| Metric | Type | Labels | Buckets | Meaning | For example |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let help =
            text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} "))).unwrap_or_default();
        let labels = labels(&text, name);
        let buckets: Vec<&str> = if kind == "histogram" { buckets(&text, name) } else { Vec::new() };
        let example = match kind {
            "counter" => format!("rate({name}[5m])"),
            "histogram" => format!("histogram_quantile(0.95, sum by (le) (rate({name}_bucket[5m])))"),
            _ => name.to_owned(),
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!(
            "| `{name}` | {kind} | {} | {} | {help} | `{example}` |\n",
            labels.join(", "),
            buckets.join(", ")
        ));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let written = fs::read_to_string(path).unwrap();
    let (before, rest) = written.split_once("<!-- metrics -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /metrics -->").unwrap();
    assert_file_is_current(
        "docs/metrics.md",
        &format!("{before}<!-- metrics -->\n{table}<!-- /metrics -->{after}"),
    );
}

/// Returns the labels of each series of a metric as text.
fn series<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let rest =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
        rest.strip_prefix('{')
    });
    lines.filter_map(|rest| rest.rsplit_once("} ")).map(|(labels, _)| labels)
}

fn labels(text: &str, name: &str) -> BTreeSet<String> {
    let labels =
        series(text, name).flat_map(|labels| labels.split("\",")).filter_map(|label| label.split_once('='));
    labels.map(|(label, _)| label.to_owned()).filter(|label| label != "le").collect()
}

/// Returns the finite upper bounds of a histogram's buckets, in order of first appearance.
fn buckets<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let bounds = series(text, name).filter_map(|labels| labels.split_once("le=\"")?.1.split('"').next());
    let mut seen = Vec::new();
    bounds.filter(|bound| *bound != "+Inf").for_each(|bound| {
        if !seen.contains(&bound) {
            seen.push(bound);
        }
    });
    seen
}

//! Runs Prometheus with the project's configuration and checks scraped values, rules and dashboard queries.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::harness::{NORTHWIND, Server, Store, eventually, free_port, http_client};

on_both_stores!(prometheus_queries_return_the_right_values);

fn project_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Prometheus process with its own temporary folder.
struct Prometheus {
    _process: Child,
    _folder: tempfile::TempDir,
    url: String,
    http: reqwest::Client,
}

impl Prometheus {
    /// Starts Prometheus with the project's configuration, but with the address of this server and intervals
    /// of one second.
    fn start(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = fs::read_to_string(project_folder().join("prometheus.yml")).unwrap();
        assert!(config.contains("app:8000") && config.contains("15s"), "{config}");
        let config = config.replace("app:8000", &server.address).replace("15s", "1s");
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        std::os::unix::fs::symlink(project_folder().join("deploy"), folder.path().join("deploy")).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let process = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus is installed (Debian: apt-get install prometheus)");
        let http = http_client().build().unwrap();
        Self { _process: process, _folder: folder, url: format!("http://{address}"), http }
    }

    async fn api(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let request = self.http.get(format!("{}/api/v1/{path}", self.url)).query(query);
        let response: Value = request.send().await.ok()?.json().await.ok()?;
        (response["status"] == "success").then(|| response["data"].clone())
    }

    /// Returns the current values of a query. The list is empty if Prometheus is not ready.
    async fn values(&self, query: &str) -> Vec<f64> {
        let data = self.api("query", &[("query", query)]).await.unwrap_or_default();
        let results = data["result"].as_array().cloned().unwrap_or_default();
        results.iter().map(|result| result["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }

    /// Waits until the values of a query satisfy `is_right`, and returns them.
    async fn wait_until(&self, query: &str, is_right: impl Fn(&[f64]) -> bool) -> Vec<f64> {
        let mut values = Vec::new();
        eventually(query, async || {
            values = self.values(query).await;
            is_right(&values)
        })
        .await;
        values
    }
}

const PRODUCT: &str = r#"{"name":"x","price":1,"amount":1}"#;

/// Sends each kind of request three times.
async fn send_traffic(server: &Server) {
    for _ in 0..3 {
        server.get("/products").await;
        server.get("/products/1").await;
        server.get("/products/1000").await;
        server.get("/nowhere").await;
        server.put("/products/1", "{").await;
        server.graphql("query List { products(first: 3) { nodes { id } } }", json!({})).await;
        server.graphql("mutation { adjustStock(id: 1, delta: 1) { id } }", json!({})).await;
        server.graphql("{ nothing }", json!({})).await;
        server.post("/products/1/stock", r#"{"delta":1}"#).await;
        server.post("/products", PRODUCT).await;
        server.get("/health/ready").await;
    }
}

async fn prometheus_queries_return_the_right_values(store: Store) {
    let server = Server::start(store).await;
    let prometheus = Prometheus::start(&server);
    prometheus.wait_until("up{job='stockmeter'}", |values| values == [1.0]).await;
    // The series is exported as 0 before the first request.
    let created = "http_requests_total{endpoint='/products',method='POST',status_code='201'}";
    prometheus.wait_until(created, |values| values == [0.0]).await;

    server.post("/products", NORTHWIND).await;
    send_traffic(&server).await;
    let _subscriber = server.follow("", "").await;
    let sent = f64::from(u32::try_from(NORTHWIND.len() + 3 * PRODUCT.len()).unwrap());
    for (query, expected) in [
        (created, 4.0),
        ("sum(http_requests_total{endpoint='/products/{product_id}',method='GET'})", 6.0),
        ("http_requests_total{endpoint='unmatched',method='GET',status_code='404'}", 3.0),
        ("sum(http_request_duration_seconds_count{endpoint='/products',method='GET'})", 3.0),
        (
            "sum(http_server_request_duration_seconds_count{http_route='/products',http_request_method='GET'})",
            3.0,
        ),
        ("http_request_size_bytes_sum{endpoint='/products',method='POST'}", sent),
        ("http_response_size_bytes_bucket{endpoint='/products',method='GET',le='1000'}", 0.0),
        ("sum(graphql_requests_total{operation_type='query',outcome='ok'})", 3.0),
        ("sum(graphql_errors_total{code='INVALID'})", 3.0),
        ("sum(graphql_requests_total{operation_type='mutation',outcome='ok'})", 3.0),
        ("graphql_subscriptions_active", 1.0),
        ("http_requests_in_flight{job='stockmeter'} >= 2", 2.0),
    ] {
        prometheus.wait_until(query, |values| values == [expected]).await;
    }

    // These queries were written for the metrics of the legacy service.
    for (query, is_positive) in [
        ("rate(process_cpu_seconds_total[5m])", true),
        ("sum(rate(http_requests_total[5m]))", true),
        ("sum(rate(http_requests_total{endpoint='/products'}[5m]))", true),
        ("sum(rate(http_requests_total{status_code=~'5..'}[5m]))", false),
        (
            "histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{endpoint='/products',method='GET'}[5m])) by (le))",
            true,
        ),
        (
            "avg(rate(http_request_duration_seconds_sum[5m])) / avg(rate(http_request_duration_seconds_count[5m]))",
            true,
        ),
        ("process_resident_memory_bytes / system_memory_limit_bytes", true),
        ("rate(process_cpu_seconds_total[5m]) / system_cpu_limit_cores", true),
    ] {
        // `rate()` is positive only if a counter increases between two scrapes.
        send_traffic(&server).await;
        prometheus.wait_until(query, |values| values.len() == 1 && (values[0] > 0.0) == is_positive).await;
    }
    assert_eq!(prometheus.values("{otel_metric_overflow='true'}").await, Vec::<f64>::new());

    rules_are_healthy(&prometheus).await;
    every_panel_has_data(&prometheus).await;
}

async fn rules_are_healthy(prometheus: &Prometheus) {
    let mut rules: Vec<Value> = Vec::new();
    let evaluated = async || {
        let data = prometheus.api("rules", &[]).await.unwrap();
        let groups = data["groups"].as_array().unwrap().clone();
        rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")
    };
    eventually("the rules are evaluated", evaluated).await;
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(rule["type"] == "recording" || rule["state"] != "firing", "{rule}");
    }
}

async fn every_panel_has_data(prometheus: &Prometheus) {
    let file: PathBuf = project_folder().join("deploy/grafana/dashboards/stockmeter.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| {
        let nested = panel["panels"].as_array().cloned().unwrap_or_default();
        [panel.clone()].into_iter().chain(nested)
    });
    let mut count = 0;
    for panel in queries {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$__rate_interval", "1m").replace("$__range", "1m");
            let query = ["$job", "$instance", "$endpoint"]
                .iter()
                .fold(query, |query, name| query.replace(name, ".*"));
            prometheus.wait_until(&query, |values| values.iter().any(|value| value.is_finite())).await;
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_accepts_the_rules_and_their_tests_pass() {
    let tests = fs::read_dir(project_folder().join("deploy/prometheus/tests")).unwrap();
    let tests: Vec<PathBuf> = tests.map(|entry| entry.unwrap().path()).collect();
    assert!(tests.len() >= 4);
    let check = ["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"];
    for arguments in
        [check.map(PathBuf::from).to_vec(), [vec!["test".into(), "rules".into()], tests].concat()]
    {
        let output =
            Command::new("promtool").current_dir(project_folder()).args(&arguments).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&text));
    }
}

//! Traces, the list of slow requests, and telemetry that the server sends to a collector.

use opentelemetry_proto::tonic::{
    metrics::v1::{metric::Data, number_data_point::Value},
    trace::v1::Span,
};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Collector, NORTHWIND, Server, Setup, Store, attributes, free_port};

on_both_stores!(
    a_trace_covers_http_graphql_and_sql,
    pending_telemetry_is_pushed_at_shutdown,
    the_slowest_requests_are_listed,
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the names of the spans from this span to its root.
fn span_path<'a>(spans: &'a [Span], span: &'a Span) -> Vec<&'a str> {
    let parent = spans.iter().find(|other| other.span_id == span.parent_span_id);
    [span.name.as_str()]
        .into_iter()
        .chain(parent.map(|parent| span_path(spans, parent)).unwrap_or_default())
        .collect()
}

async fn a_trace_covers_http_graphql_and_sql(store: Store) {
    let collector = Collector::start().await;
    let setup = Setup::new(store).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let setup = setup.with("OTEL_BSP_SCHEDULE_DELAY", 50).with("OTEL_SERVICE_NAME", "shop");
    let server = setup.with("STOCKMETER_LOG", "debug").start().await;
    let trace = async |request: reqwest::RequestBuilder| {
        let response = server.send(request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"))).await;
        let id = response.header("x-request-id").to_owned();
        let is_request = |span: &Span| attributes(&span.attributes).get("id") == Some(&id);
        let arrived = collector.wait_for(|arrived| arrived.spans.iter().any(is_request)).await;
        assert_eq!(arrived.resource["service.name"], "shop");
        let root = arrived.spans.iter().find(|span| is_request(span)).unwrap().clone();
        assert_eq!((hex(&root.trace_id).as_str(), hex(&root.parent_span_id).as_str()), (TRACE, CALLER));
        (root, arrived.spans)
    };
    let span_paths = |root: &Span, spans: &[Span]| {
        let span_paths =
            spans.iter().map(|span| span_path(spans, span)).filter(|path| path.last() == Some(&&*root.name));
        let mut span_paths: Vec<_> = span_paths.map(|path| path.join(" < ")).collect();
        span_paths.sort();
        span_paths
    };

    let file = server.request("POST", "/products").header("content-type", "application/json");
    let (root, spans) = trace(file.header("idempotency-key", "\"k\"").body(NORTHWIND)).await;
    assert_eq!(root.name, "POST /products");
    // A request with an idempotency key runs in a separate task, which belongs to the same trace.
    assert!(
        span_paths(&root, &spans).contains(&"INSERT < POST /products".to_owned()),
        "{:?}",
        span_paths(&root, &spans)
    );

    let query =
        json!({ "query": "query Q($id: ID!) { product(id: $id) { name } }", "variables": { "id": 1 } });
    let (root, spans) = trace(server.request("POST", "/graphql").json(&query)).await;
    assert_eq!(
        span_paths(&root, &spans),
        [
            "GraphQL query < POST /graphql",
            "POST /graphql",
            "Query.product < GraphQL query < POST /graphql",
            "SELECT < Query.product < GraphQL query < POST /graphql",
        ]
    );
    let http = attributes(&root.attributes);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/graphql"),
        ("url.path", "/graphql"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(http.get(name).map(String::as_str), Some(value), "{name}");
    }
    let statement = spans.iter().rfind(|span| span.name == "SELECT" && hex(&span.trace_id) == TRACE).unwrap();
    let sql = attributes(&statement.attributes);
    let system = if store == Store::Sqlite { "sqlite" } else { "postgresql" };
    assert_eq!(sql["db.system.name"], system);
    assert!(sql["db.query.text"].starts_with("SELECT"), "{sql:?}");

    // Pages are read while the response is being sent.
    let (root, spans) = trace(server.request("GET", "/products")).await;
    assert!(span_paths(&root, &spans).contains(&"SELECT < GET /products".to_owned()));

    // The log and the list of slow requests contain the trace id.
    server.log.wait_for_line(TRACE).await;
    let slow = server.get("/metrics/slow").await.json();
    let requests = slow.as_array().unwrap().iter();
    assert_eq!(requests.filter(|request| request["trace_id"] == TRACE).count(), 3, "{slow}");
}

/// Peers that are not trusted choose neither the trace nor whether it is sampled.
#[tokio::test]
async fn a_stranger_starts_a_new_trace_with_a_link() {
    let collector = Collector::start().await;
    let setup = Setup::new(Store::Sqlite).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let setup = setup.with("OTEL_BSP_SCHEDULE_DELAY", 50).with("STOCKMETER_ACCESS_LOG", "true");
    let server = setup.with("STOCKMETER_TRUSTED_PROXIES", "192.0.2.0/24").start().await;
    let request = server.request("GET", "/products/1").header("tracestate", "shop=1");
    let response = server.send(request.header("traceparent", format!("00-{TRACE}-{CALLER}-00"))).await;
    let is_request = |span: &Span| span.name == "GET /products/{product_id}";
    let arrived = collector.wait_for(|arrived| arrived.spans.iter().any(is_request)).await;
    let root = arrived.spans.iter().find(|span| is_request(span)).unwrap();
    assert_eq!(hex(&root.parent_span_id), "");
    assert_ne!(hex(&root.trace_id), TRACE);
    let links: Vec<_> = root.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect();
    assert_eq!(links, [(TRACE.to_owned(), CALLER.to_owned())]);
    assert_eq!(root.links[0].trace_state, "shop=1");
    let line = server.log.wait_for_request("access", response.header("x-request-id")).await;
    assert_eq!(line["span"]["trace_id"], hex(&root.trace_id));
}

async fn pending_telemetry_is_pushed_at_shutdown(store: Store) {
    let collector = Collector::start().await;
    let setup = Setup::new(store).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let hour = 3_600_000;
    let mut server =
        setup.with("OTEL_BSP_SCHEDULE_DELAY", hour).with("OTEL_METRIC_EXPORT_INTERVAL", hour).start().await;
    server.get("/products/1").await;
    server.signal(Signal::TERM);
    assert!(server.wait_for_exit().await.success());
    let arrived = collector.received();
    assert!(arrived.spans.iter().any(|span| span.name == "GET /products/{product_id}"), "{arrived:?}");
    assert_eq!(arrived.resource["service.name"], "stockmeter");
    assert!(arrived.resource.contains_key("service.instance.id"), "{arrived:?}");
    let Some(Data::Sum(requests)) =
        arrived.metrics.iter().find(|metric| metric.name == "http.requests").unwrap().data.clone()
    else {
        panic!("{arrived:?}");
    };
    let counted = requests.data_points.iter().filter(|point| point.value != Some(Value::AsInt(0)));
    let labels: Vec<_> = counted.map(|point| attributes(&point.attributes)).collect();
    assert_eq!((labels.len(), labels[0]["endpoint"].as_str()), (1, "/products/{product_id}"));
}

async fn the_slowest_requests_are_listed(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    for id in 1..=12 {
        server.get(&format!("/products/{id}")).await;
    }
    let put = server.put("/products/1?x=secret", r#"{"name":"x","price":1,"amount":1}"#).await;
    for n in 0..12 {
        server.get(&format!("/nowhere/{n}")).await;
    }

    let slow = server.get("/metrics/slow").await.json();
    let all = slow.as_array().unwrap();
    let listed = |method: &str, endpoint: &str| {
        let requests =
            all.iter().filter(|request| request["method"] == method && request["endpoint"] == endpoint);
        requests.cloned().collect::<Vec<_>>()
    };
    let seconds = |request: &serde_json::Value, field: &str| request[field].as_f64().unwrap();
    assert!(all.is_sorted_by(|one, other| seconds(one, "seconds") >= seconds(other, "seconds")), "{slow}");
    // Requests without a route have the label `unmatched`, as in the counters.
    assert_eq!(listed("GET", "unmatched").len(), 10, "{slow}");
    let reads = listed("GET", "/products/{product_id}");
    assert_eq!(reads.len(), 10, "{slow}");
    for read in &reads {
        assert_eq!((&read["status"], &read["sql_statements"]), (&json!(200), &json!(1)));
        assert!(
            0.0 < seconds(read, "sql_seconds") && seconds(read, "sql_seconds") < seconds(read, "seconds")
        );
    }
    let changes = listed("PUT", "/products/{product_id}");
    assert_eq!(changes.len(), 1, "{slow}");
    assert_eq!((&changes[0]["path"], &changes[0]["trace_id"]), (&json!("/products/1"), &json!(null)));
    assert_eq!(changes[0]["request_id"], put.header("x-request-id"));
    assert!(seconds(&changes[0], "sql_seconds") > 0.0, "{slow}");
}

#[tokio::test]
async fn an_unreachable_collector_does_not_affect_requests() {
    let unreachable_url = format!("http://127.0.0.1:{}", free_port());
    let setup = Setup::new(Store::Sqlite).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", unreachable_url);
    let mut server = setup.with("OTEL_BSP_SCHEDULE_DELAY", 50).start().await;
    assert_eq!(server.get("/products").await.text, "[]");
    server.log.wait_for_line("BatchSpanProcessor.ExportError").await;
    server.signal(Signal::TERM);
    assert!(server.wait_for_exit().await.success());
}

#[tokio::test]
async fn unsupported_exporters_are_rejected_at_startup() {
    for (name, value, rule) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"),
        ("OTEL_METRICS_EXPORTER", "statsd", "must be otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "must be http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "alwayson", "must be always_on, always_off or traceidratio"),
    ] {
        let setup =
            Setup::new(Store::Sqlite).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let output = setup.with(name, value).command().output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(&format!("{name} `{value}`: {rule}")), "{text}");
    }
}

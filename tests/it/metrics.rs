//! `/metrics`: exact counts, a limited number of series, and values that match those of the system.

use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response, routing::get};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use stockmeter::{
    access::{Access, AccessOptions},
    app::{
        App, Handlers,
        middleware::Middleware,
        routes::{Permission, Route, RouteTable},
    },
    config::OperationNames,
    http::{
        allowed_hosts::AllowedHosts,
        client_address::TrustedProxies,
        limits::{Limit, budget::Budget},
        request_body::{BodyLimits, Permits},
    },
    operations::metrics as metrics_route,
    telemetry::{
        HttpMetrics, Telemetry,
        graphql::{GraphqlMetrics, OperationType, Outcome},
        routes::Routes,
        slow_requests::SlowRequestLog,
    },
};
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command};
use tower::ServiceExt;

use crate::harness::{NORTHWIND, Server, Setup, Store, TIMEOUT, eventually, eventually_within, http_client};

on_both_stores!(
    promtool_accepts_the_metrics,
    requests_are_counted_by_route_and_status,
    every_route_has_its_own_series,
    client_input_adds_no_series,
    a_client_that_disconnects_is_counted_as_499,
    process_metrics_match_proc,
    metrics_can_have_their_own_listener,
    exhausted_file_descriptors_are_reported,
    a_duplicate_id_is_not_a_failed_statement,
);

async fn promtool_accepts_the_metrics(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    server.graphql("{ __typename }", json!({})).await;
    server.get("/nowhere").await;
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (Debian: apt-get install prometheus)");
    promtool.stdin.take().unwrap().write_all(metrics.text.as_bytes()).await.unwrap();
    let output = promtool.wait_with_output().await.unwrap();
    let findings = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && findings.is_empty(), "{}", String::from_utf8_lossy(&findings));
}

async fn requests_are_counted_by_route_and_status(store: Store) {
    let server = Server::start(store).await;
    let count = async |method, endpoint, status| {
        let labels = format!("endpoint=\"{endpoint}\",method=\"{method}\",status_code=\"{status}\"");
        server.metric(&format!("http_requests_total{{{labels}}}")).await
    };
    // Series start at 0, because `rate()` ignores the first value of a new series.
    assert_eq!(count("POST", "/products", 201).await, Some(0.0));
    assert_eq!(count("GET", "/products/{product_id}", 404).await, Some(0.0));
    assert_eq!(count("GET", "/products", 503).await, Some(0.0));

    server.post("/products", NORTHWIND).await;
    for id in [1, 2, 3, 1000] {
        server.get(&format!("/products/{id}")).await;
    }
    server.put("/products/1", "{").await;
    server.delete("/products/1").await;
    server.send(server.request("TRACE", "/products/1")).await;
    server.send(server.request("HEAD", "/products")).await;
    server.get("/.git/config").await;
    server.post("/graphql", "{}").await;
    let huge = "x".repeat(11 << 20);
    server.post("/products", huge).await;
    for (method, endpoint, status, expected) in [
        ("POST", "/products", 201, 1.0),
        ("POST", "/products", 413, 1.0),
        ("GET", "/products/{product_id}", 200, 3.0),
        ("GET", "/products/{product_id}", 404, 1.0),
        ("PUT", "/products/{product_id}", 400, 1.0),
        ("DELETE", "/products/{product_id}", 204, 1.0),
        ("TRACE", "/products/{product_id}", 405, 1.0),
        ("HEAD", "/products", 200, 1.0),
        ("GET", "unmatched", 404, 1.0),
        ("POST", "/graphql", 400, 1.0),
    ] {
        assert_eq!(count(method, endpoint, status).await, Some(expected), "{method} {endpoint} {status}");
    }

    let duration = |suffix: &str, more: &str| {
        let labels = format!("endpoint=\"/products/{{product_id}}\",method=\"GET\"{more}");
        format!("http_request_duration_seconds_{suffix}{{{labels}}}")
    };
    let mut cumulative = Vec::new();
    for bound in ["0.1", "0.3", "0.5", "1", "2", "5", "10", "+Inf"] {
        let bucket = duration("bucket", &format!(",le=\"{bound}\""));
        cumulative.push(server.metric(&bucket).await.unwrap_or_else(|| panic!("{bucket} is missing")));
    }
    assert!(cumulative.is_sorted(), "{cumulative:?}");
    assert_eq!(cumulative.last(), Some(&4.0));
    assert_eq!(server.metric(&duration("count", "")).await, Some(4.0));
    assert!(server.metric(&duration("sum", "")).await.unwrap() > 0.0);
}

async fn a_duplicate_id_is_not_a_failed_statement(store: Store) {
    let server = Server::start(store).await;
    let product = r#"{"id":7,"name":"nut","price":1,"amount":1}"#;
    assert_eq!(server.post("/products", product).await.status, 201);
    assert_eq!(server.post("/products", product).await.status, 409);
    assert_eq!(server.post("/products", format!("[{product}]")).await.status, 409);
    let with_key = server.request("POST", "/products").header("idempotency-key", "k");
    let with_key = with_key.header("content-type", "application/json").body(product);
    assert_eq!(server.send(with_key).await.status, 409);
    let count = async |outcome| {
        let labels = format!("db_operation_name=\"INSERT\",outcome=\"{outcome}\"");
        server.metric(&format!("db_client_operation_duration_seconds_count{{{labels}}}")).await
    };
    assert_eq!(count("unique_violation").await, Some(3.0));
    assert_eq!(count("error").await, None);
}

/// Each series that starts at 0 belongs to an existing route, and requests to the route are counted with its
/// labels.
async fn every_route_has_its_own_series(store: Store) {
    let server = Server::start(store).await;
    let text = server.get("/metrics").await.text;
    let series = text.lines().filter_map(|line| line.strip_prefix("http_requests_total{")?.rsplit_once("} "));
    let routes: BTreeSet<_> = series
        .map(|(labels, _)| {
            let label = |name: &str| {
                let (_, rest) = labels.split_once(&format!("{name}=\"")).unwrap();
                rest.split_once('"').unwrap().0.to_owned()
            };
            (label("method"), label("endpoint"))
        })
        .collect();
    assert!(routes.len() >= 13, "{routes:?}");
    for (method, endpoint) in routes {
        let counted =
            format!("http_request_duration_seconds_count{{endpoint=\"{endpoint}\",method=\"{method}\"}}");
        let before = server.metric(&counted).await.unwrap_or_default();
        let path = endpoint.replace("{product_id}", "1");
        // The body is not read, because an event stream does not end.
        let status = server.request(&method, &path).send().await.unwrap().status();
        assert!(status != 405, "{method} {path}");
        let is_counted = async || server.metric(&counted).await > Some(before);
        eventually(format!("{method} {path} is counted"), is_counted).await;
    }
}

async fn client_input_adds_no_series(store: Store) {
    let server = Server::start(store).await;
    let series = async || {
        let text = server.get("/metrics").await.text;
        let names = text.lines().filter(|line| line.starts_with("http_") || line.starts_with("graphql_"));
        names.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>()
    };
    let send_unknown = async |n: usize| {
        server.send(server.request(&format!("M{n}"), &format!("/{n}/x?y={n}"))).await;
        server.send(server.request(&format!("M{n}"), "/products")).await;
        server.get(&format!("/products/{}", n + 1000)).await;
        server.get(&format!("/products/x{n}")).await;
        server.graphql(&format!("query Q{n} {{ __typename }}"), json!({})).await;
    };
    send_unknown(0).await;
    series().await;
    let before = series().await;
    for n in 1..50 {
        send_unknown(n).await;
    }
    let after = series().await;
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(after.iter().any(|series| series.contains("method=\"_OTHER\"")));
    assert!(after.iter().any(|series| series.contains("operation_name=\"_OTHER\"")));
    let all = server.get("/metrics").await.text;
    assert!(!all.contains("otel_"), "no scope labels, no overflow");
}

async fn a_client_that_disconnects_is_counted_as_499(store: Store) {
    let server = Server::start(store).await;
    // The request waits for the lock that this transaction holds.
    let database = server.direct_connection().await;
    let lock = match store {
        Store::Sqlite => "UPDATE product_id SET last = last",
        Store::PostgreSql => "LOCK TABLE product",
    };
    let transaction = database.begin().await.unwrap();
    transaction.execute_unprepared(lock).await.unwrap();

    let request = server.request("POST", "/products").json(&json!({ "name": "x", "price": 1, "amount": 1 }));
    let waiting = request.timeout(Duration::from_millis(300)).send().await;
    assert!(waiting.unwrap_err().is_timeout());
    // Another client disconnects in the middle of its request body.
    let mut half = TcpStream::connect(&server.address).await.unwrap();
    half.write_all(b"POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        .await
        .unwrap();
    drop(half);
    let counter = "http_requests_total{endpoint=\"/products\",method=\"POST\",status_code=\"499\"}";
    eventually("both disconnects are counted", async || server.metric(counter).await == Some(2.0)).await;
    transaction.rollback().await.unwrap();
}

type Expected<'a> = Box<dyn Fn() -> f64 + 'a>;

async fn process_metrics_match_proc(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.with_default_workers().start().await;
    server.post("/products", NORTHWIND).await;
    let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", server.pid())).unwrap();
    let status = |key: &str| {
        let text = proc("status");
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap()
    };
    let stat = |field: usize| {
        // Fields are numbered from 1. The second field is the process name in parentheses, which may contain
        // any character.
        let text = proc("stat");
        text.rsplit_once(')').unwrap().1.split_whitespace().nth(field - 3).unwrap().parse::<f64>().unwrap()
    };
    let boot = fs::read_to_string("/proc/stat").unwrap();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse::<f64>().unwrap();
    let memory = fs::read_to_string("/proc/meminfo").unwrap();
    let memory = memory.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let fds = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    // A container may have limits below those of the machine.
    let limit = |file: &str| fs::read_to_string(format!("/sys/fs/cgroup/{file}")).unwrap_or_default();
    let memory = limit("memory.max").trim().parse().map_or(memory, |max: f64| memory.min(max / 1024.0));
    let number = |count: usize| f64::from(u32::try_from(count).unwrap());
    let mut cores = number(std::thread::available_parallelism().unwrap().get());
    if let Some((quota, period)) = limit("cpu.max").trim().split_once(' ')
        && let Ok(quota) = quota.parse::<f64>()
    {
        cores = quota / period.parse::<f64>().unwrap();
    }

    // Gauges may be one collection interval old, so the comparison is repeated until the values agree.
    let expected_values: [(&str, f64, Expected); 9] = [
        ("process_cpu_seconds_total", 0.05, Box::new(|| (stat(14) + stat(15)) / 100.0)),
        ("process_resident_memory_bytes", 2e6, Box::new(|| status("VmRSS") * 1024.0)),
        ("process_virtual_memory_bytes", 2e6, Box::new(|| status("VmSize") * 1024.0)),
        ("custom_process_open_fds", 0.0, Box::new(|| number(fds()))),
        ("custom_process_threads", 0.0, Box::new(|| status("Threads"))),
        ("process_start_time_seconds", 1.0, Box::new(|| boot + stat(22) / 100.0)),
        ("process_uptime_seconds", 2.0, Box::new(|| now() - boot - stat(22) / 100.0)),
        ("system_memory_limit_bytes", 0.0, Box::new(|| memory * 1024.0)),
        ("system_cpu_limit_cores", 0.0, Box::new(|| cores)),
    ];
    for (name, tolerance, expected) in expected_values {
        let agree = async || (server.metric(name).await.unwrap() - expected()).abs() <= tolerance;
        eventually_within(Duration::from_secs(20), name, agree).await;
    }
    let tasks = r#"tokio_alive_tasks{runtime="requests"}"#;
    assert!(server.metric(tasks).await.unwrap() > 0.0);
    let threads = std::thread::available_parallelism().unwrap().get();
    for (runtime, workers) in [("requests", (threads - 1).max(1)), ("background", threads)] {
        let name = format!(r#"tokio_workers{{runtime="{runtime}"}}"#);
        assert_eq!(server.metric(&name).await, Some(number(workers)), "{name}");
    }
}

async fn exhausted_file_descriptors_are_reported(store: Store) {
    let mut server =
        Setup::new(store).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms").start().await;
    // HTTP/2 sends all requests over one connection. Over HTTP/1.1, the client might open another
    // connection, which the server could not accept.
    server.http = http_client().http2_prior_knowledge().timeout(TIMEOUT).build().unwrap();
    let wait_until = async |name: &str, expected: f64| {
        let reached = async || server.metric(name).await == Some(expected);
        eventually(format!("{name} is {expected}"), reached).await;
    };
    let limit = server.metric("system_cpu_limit_cores").await.unwrap();
    let pid = Pid::from_raw(server.pid().cast_signed()).unwrap();
    let fewer = Rlimit { current: Some(64), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(Some(pid), Resource::Nofile, fewer).unwrap();
    let mut connections = Vec::new();
    for _ in 0..80 {
        connections.push(TcpStream::connect(&server.address).await.unwrap());
    }
    for name in ["custom_process_open_fds", "process_open_fds", "process_max_fds"] {
        wait_until(name, 64.0).await;
    }
    // Without a free descriptor, memory is still measured, and the limits keep their last values.
    let resident = f64::from(u32::try_from(server.resident_bytes()).unwrap());
    let reported = server.metric("process_resident_memory_bytes").await.unwrap();
    assert!((reported - resident).abs() < 5e6, "{reported} {resident}");
    assert_eq!(server.metric("system_cpu_limit_cores").await, Some(limit));

    drop(connections);
    eventually("descriptors are free again", async || server.metric("process_open_fds").await < Some(60.0))
        .await;
}

/// The maximum number of names does not exceed the limit on series, even with all operation types and
/// outcomes. One more name exceeds the limit.
#[tokio::test]
async fn operation_names_overflow_only_above_the_maximum() {
    for (count, overflows) in [(OperationNames::MAX_NAMES, false), (OperationNames::MAX_NAMES + 1, true)] {
        let telemetry = Telemetry::new().unwrap();
        let names: Vec<_> = (0..count).map(|n| format!("Q{n}")).collect();
        let metrics = GraphqlMetrics::new(&telemetry.meter(), &names, ["INVALID"].into_iter());
        metrics.record_operation(OperationType::Unknown, None, Outcome::Rejected, None);
        metrics.record_operation(OperationType::Unknown, None, Outcome::Error, Some(TIMEOUT));
        for name in names.iter().map(String::as_str).chain(["other"]) {
            for outcome in [Outcome::Ok, Outcome::Error] {
                metrics.record_operation(OperationType::Query, Some(name), outcome, Some(TIMEOUT));
                metrics.record_operation(OperationType::Mutation, Some(name), outcome, Some(TIMEOUT));
                metrics.record_operation(OperationType::Subscription, Some(name), outcome, None);
            }
        }
        let app = Router::from(metrics_route::api().with_state(telemetry));
        let response = app.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text.contains("otel_metric_overflow"), overflows, "{count}");
    }
}

async fn read_response(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// The test has its own handler, because no handler of the server panics.
#[tokio::test]
async fn a_panic_gives_500_and_is_counted() {
    static ROUTES: [Route; 3] = [
        Route::new("GET", "/panics", Permission::Public, &[200]),
        Route::new("GET", "/panics/background", Permission::Public, &[200]).background(),
        Route::new("GET", "/metrics", Permission::Public, &[200]).unlimited(),
    ];
    async fn panics() {
        panic!("on purpose");
    }
    let telemetry = Telemetry::new().unwrap();
    let routes =
        Routes::new(ROUTES.iter().map(|route| (route.method, route.template, route.statuses)).collect());
    let slow = SlowRequestLog::new(&routes);
    let metrics = HttpMetrics::new(&telemetry.meter(), &[0.1], &[100.0], routes, slow);
    let body = BodyLimits { size: 1000, time: TIMEOUT, import_size: 1000, import_time: TIMEOUT };
    let server = Server::start(Store::Sqlite).await;
    let options = AccessOptions { anonymous: None, metrics_token: None, jwt: None, failures_per_minute: 10 };
    let access = Access::open(server.store().await, options).await.unwrap();
    let middleware = Middleware {
        metrics,
        permits: Permits::new(10).requests,
        compressions: Budget::with_quarters(Limit::Compressions, 10),
        bodies: Budget::with_quarters(Limit::Bodies, 1 << 20),
        body,
        cors: None,
        access,
        request_rate: None,
        proxies: TrustedProxies::default(),
        hosts: AllowedHosts::new(std::net::Ipv4Addr::LOCALHOST.into(), &[]),
    };
    let handlers = Router::new()
        .route("/panics", get(panics))
        .route("/panics/background", get(panics))
        .merge(metrics_route::api().with_state(telemetry));
    let app =
        App::new(RouteTable::new(&ROUTES).unwrap(), middleware, Handlers { router: handlers, direct: None });
    let fetch = async |path: &str| {
        let request = Request::builder().uri(path).header("host", "localhost").body(Body::empty()).unwrap();
        read_response(app.call(request, std::net::Ipv4Addr::LOCALHOST.into()).await.unwrap()).await
    };
    for path in ["/panics", "/panics/background"] {
        let (status, body) = fetch(path).await;
        assert_eq!(status, 500);
        assert!(body.contains(r#""code":"INTERNAL""#) && !body.contains("on purpose"), "{body}");
        let series =
            format!("http_requests_total{{endpoint=\"{path}\",method=\"GET\",status_code=\"500\"}} 1");
        let metrics = fetch("/metrics").await.1;
        assert!(metrics.contains(&series), "{metrics}");
    }
}

async fn metrics_can_have_their_own_listener(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_METRICS_LISTEN", "127.0.0.1:0");
    let server = setup.with("STOCKMETER_METRICS_TOKEN", "s3cret").start().await;
    let line = server.log.wait_for_line("metrics on http://").await;
    let metrics_url = line.split("metrics on ").nth(1).unwrap().split("/metrics").next().unwrap();
    server.get("/metrics").await.is_problem(404, "NOT_FOUND", &[]);
    let fetch = async |path: &str, token: Option<&str>| {
        let request = server.http.get(format!("{metrics_url}{path}"));
        server.send(token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth)).await
    };
    for token in [None, Some(""), Some("s3cre"), Some("s3cret2")] {
        let rejected = fetch("/metrics", token).await;
        rejected.is_problem(401, "UNAUTHORIZED", &[]);
        let challenge = match token {
            None | Some("") => r#"Bearer realm="stockmeter""#,
            Some(_) => r#"Bearer realm="stockmeter", error="invalid_token""#,
        };
        assert_eq!(rejected.header("www-authenticate"), challenge);
    }
    let response = fetch("/metrics", Some("s3cret")).await;
    // Rejected requests to the metrics listener are counted, too.
    let counter = "http_requests_total{endpoint=\"/metrics\",method=\"GET\",status_code=\"401\"} 4";
    assert!(response.status == 200 && response.text.contains(counter), "{response:?}");
    assert_eq!(fetch("/health/ready", None).await.status, 200);
    assert_eq!(server.get("/health").await.status, 200);
    fetch("/products", None).await.is_problem(404, "NOT_FOUND", &[]);
    assert!(!server.log.text().contains("s3cret"));
}

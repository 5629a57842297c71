//! Liveness, readiness, and recovery after a database outage.

use sea_orm::ConnectionTrait;

use crate::harness::{Server, Setup, Store, cluster, eventually};

on_both_stores!(
    a_healthy_server_reports_ok,
    an_unavailable_database_gives_503,
    failing_writes_are_reported_while_reads_go_on,
    a_stopping_server_reports_not_ready,
);

async fn a_healthy_server_reports_ok(store: Store) {
    let server = Server::start(store).await;
    for path in ["/health", "/health/ready"] {
        let health = server.get(path).await;
        let kind = if store == Store::Sqlite { "sqlite" } else { "postgresql" };
        let json = health.json();
        assert_eq!((health.status, &json["status"]), (200, &"ok".into()));
        let database = ["kind", "status", "reads", "writes"].map(|field| &json["database"][field]);
        assert_eq!(database, [kind, "ok", "ok", "ok"]);
    }
    server.get("/health/live").await.is(200, r#"{"status":"ok"}"#);
}

async fn an_unavailable_database_gives_503(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", "300ms");
    let server = setup.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms").start().await;
    let database = server.direct_connection().await;
    database.execute_unprepared("ALTER TABLE product RENAME TO hidden").await.unwrap();
    assert_unavailable(&server).await;
    database.execute_unprepared("ALTER TABLE hidden RENAME TO product").await.unwrap();
    wait_for_recovery(&server).await;

    if store == Store::PostgreSql {
        let name = server.setup.database.as_deref().unwrap();
        let admin = cluster().await.connect("postgres").await;
        for sql in [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            admin.execute_unprepared(&sql).await.unwrap();
        }
        assert_unavailable(&server).await;
        let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        admin.execute_unprepared(&sql).await.unwrap();
        wait_for_recovery(&server).await;
    }
}

/// The disk is full, or the database has become read-only.
async fn failing_writes_are_reported_while_reads_go_on(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.surviving_file_size_limit().start().await;
    let product = r#"{"id":1,"name":"x","price":1,"amount":1}"#;
    assert_eq!(server.post("/products", product).await.status, 201);
    // The gauge is recorded first when the background task runs.
    eventually("the gauge is 1", async || server.metric("database_writable").await == Some(1.0)).await;

    server.set_writable(false).await;
    let adjust = async || server.post("/products/1/stock", r#"{"delta":1}"#).await.status;
    // PostgreSQL has also ended the connections, so that the first requests fail for this reason.
    let reported = async || {
        let failed = adjust().await == 503;
        let database = &server.get("/health").await.json()["database"];
        failed && (&database["reads"], &database["writes"]) == (&"ok".into(), &"unavailable".into())
    };
    eventually("failing writes are reported", reported).await;
    for (path, status) in [("/health", "unavailable"), ("/health/ready", "ok")] {
        let health = server.get(path).await;
        let json = health.json();
        assert_eq!(health.status, if status == "ok" { 200 } else { 503 });
        let [database, reads, writes] = ["status", "reads", "writes"].map(|field| &json["database"][field]);
        assert_eq!([&json["status"], database, reads, writes], [status, "unavailable", "ok", "unavailable"]);
    }
    let gauges = async || (server.metric("database_up").await, server.metric("database_writable").await);
    eventually("the gauge is 0", async || gauges().await == (Some(1.0), Some(0.0))).await;
    server.log.wait_for_line("the database accepts no writes").await;

    let with_key = server.request("POST", "/products").header("idempotency-key", "k").body("[]");
    let with_key = server.send(with_key.header("content-type", "application/json")).await;
    for response in [
        server.post("/products", r#"{"name":"y","price":1,"amount":1}"#).await,
        server.post("/products", r#"[{"name":"y","price":1,"amount":1}]"#).await,
        server.patch("/products/1", r#"{"amount":7}"#).await,
        server.delete("/products/1").await,
        server.delete("/products?id=eq.1").await,
        with_key,
    ] {
        response.is_problem(503, "UNAVAILABLE", &[]);
    }
    server.get("/products/1").await.is(200, &product.replace("1,\"amount", "1.0,\"amount"));
    assert_eq!(server.get("/products").await.status, 200);
    // A change of no row may succeed, but shows nothing.
    server.delete("/products/1000").await;
    assert_eq!(server.get("/health").await.status, 503);

    // The server finds without requests that writes work again.
    server.set_writable(true).await;
    eventually("the server reports that writes work", async || server.get("/health").await.status == 200)
        .await;
    eventually("the gauge is 1", async || gauges().await == (Some(1.0), Some(1.0))).await;
    assert_eq!(adjust().await, 200);
    assert_eq!(server.get("/products/1").await.json()["amount"], 2);
}

async fn a_stopping_server_reports_not_ready(store: Store) {
    let mut server = Setup::new(store).await.with("STOCKMETER_SHUTDOWN_DELAY", "3s").start().await;
    let start = std::time::Instant::now();
    server.signal(rustix::process::Signal::TERM);
    server.log.wait_for_line("no longer ready").await;
    let health = server.get("/health/ready").await;
    assert_eq!((health.status, health.header("retry-after")), (503, "1"));
    assert_eq!(health.json()["database"]["status"], "ok");
    // New requests are still served.
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.post("/products", r#"{"name":"x","price":1,"amount":1}"#).await.status, 201);
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
    assert!(start.elapsed() >= std::time::Duration::from_secs(3), "{:?}", start.elapsed());
}

/// Waits until requests succeed again. Requests are repeated, because the short acquire timeout may still
/// expire on a busy machine.
async fn wait_for_recovery(server: &Server) {
    for path in ["/health", "/products"] {
        eventually("the server recovers", async || server.get(path).await.status == 200).await;
    }
    wait_for_database_up(server, 1.0).await;
}

/// Waits until `database_up`, the gauge of the database alert, has this value.
async fn wait_for_database_up(server: &Server, up: f64) {
    let changed = async || server.metric("database_up").await == Some(up);
    eventually(format!("database_up becomes {up}"), changed).await;
}

async fn assert_unavailable(server: &Server) {
    wait_for_database_up(server, 0.0).await;
    for path in ["/health", "/health/ready"] {
        let health = server.get(path).await;
        assert_eq!((health.status, health.header("retry-after")), (503, "1"));
        assert_eq!(health.json()["database"]["status"], "unavailable");
    }
    assert_eq!(server.get("/health/live").await.status, 200);

    let product = r#"{"name":"x","price":1,"amount":1}"#;
    for response in [
        server.get("/products").await,
        server.get("/products/1").await,
        server.post("/products", product).await,
        server.put("/products/1", product).await,
        server.delete("/products/1").await,
    ] {
        response.is_problem(503, "UNAVAILABLE", &[]);
        assert_eq!(response.header("retry-after"), "1");
        server.log.wait_for_failure(response.header("x-request-id"), "UNAVAILABLE").await;
    }
    let response = server.graphql("{ products { edges { cursor } } }", serde_json::json!({})).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    for text in [response.to_string(), server.get("/products/1").await.text] {
        for leak in ["SELECT", "relation", "no such table", "product_id", "sqlx"] {
            assert!(!text.contains(leak), "{text}");
        }
    }
}

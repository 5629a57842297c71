//! Liveness, readiness, and recovery after a database outage.

use sea_orm::ConnectionTrait;

use crate::harness::{Server, Setup, Store, cluster, eventually};

on_both_stores!(
    a_healthy_server_reports_ok,
    an_unavailable_database_gives_503,
    a_stopping_server_reports_not_ready,
);

async fn a_healthy_server_reports_ok(store: Store) {
    let server = Server::start(store).await;
    for path in ["/health", "/health/ready"] {
        let health = server.get(path).await;
        let kind = if store == Store::Sqlite { "sqlite" } else { "postgresql" };
        let json = health.json();
        assert_eq!((health.status, &json["status"]), (200, &"ok".into()));
        assert_eq!((&json["database"]["kind"], &json["database"]["status"]), (&kind.into(), &"ok".into()));
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

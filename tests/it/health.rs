//! Alive is not ready, and a database that comes back is noticed.

use sea_orm::ConnectionTrait;

use crate::harness::{Server, Setup, Store, TIMEOUT, cluster};

on_both_stores!(a_healthy_server_says_so, a_broken_database_is_a_503, who_is_about_to_stop_is_not_ready);

async fn a_healthy_server_says_so(store: Store) {
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

async fn a_broken_database_is_a_503(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", "300ms");
    let server = setup.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms").start().await;
    let database = server.behind_the_back().await;
    database.execute_unprepared("ALTER TABLE product RENAME TO gone").await.unwrap();
    assert_unavailable(&server).await;
    database.execute_unprepared("ALTER TABLE gone RENAME TO product").await.unwrap();
    recovers(&server).await;

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
        recovers(&server).await;
    }
}

async fn who_is_about_to_stop_is_not_ready(store: Store) {
    let mut server = Setup::new(store).await.with("STOCKMETER_SHUTDOWN_DELAY", "3s").start().await;
    let start = std::time::Instant::now();
    server.signal(rustix::process::Signal::TERM);
    server.log.line("no longer ready").await;
    let health = server.get("/health/ready").await;
    assert_eq!((health.status, health.header("retry-after")), (503, "1"));
    assert_eq!(health.json()["database"]["status"], "ok");
    // All the rest goes on, also for those who come now.
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(server.post("/products", r#"{"name":"x","price":1,"amount":1}"#).await.status, 201);
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(start.elapsed() >= std::time::Duration::from_secs(3), "{:?}", start.elapsed());
}

/// By itself: the short time to get a connection may run out once more on a busy machine.
async fn recovers(server: &Server) {
    for path in ["/health", "/products"] {
        let recovered = async { while server.get(path).await.status != 200 {} };
        tokio::time::timeout(TIMEOUT, recovered).await.expect("it recovers");
    }
    is_up(server, 1.0).await;
}

/// The gauge that the alert looks at.
async fn is_up(server: &Server, up: f64) {
    let seen = async { while server.metric("database_up").await != Some(up) {} };
    tokio::time::timeout(TIMEOUT, seen).await.expect("the metrics notice");
}

async fn assert_unavailable(server: &Server) {
    is_up(server, 0.0).await;
    for path in ["/health", "/health/ready"] {
        let health = server.get(path).await;
        assert_eq!((health.status, health.header("retry-after")), (503, "1"));
        assert_eq!(health.json()["database"]["status"], "unavailable");
    }
    assert_eq!(server.get("/health/live").await.status, 200);

    let product = r#"{"name":"x","price":1,"amount":1}"#;
    for answer in [
        server.get("/products").await,
        server.get("/products/1").await,
        server.post("/products", product).await,
        server.put("/products/1", product).await,
        server.delete("/products/1").await,
    ] {
        answer.is_problem(503, "UNAVAILABLE", &[]);
        assert_eq!(answer.header("retry-after"), "1");
        server.log.failure(answer.header("x-request-id"), "UNAVAILABLE").await;
    }
    let answer = server.graphql("{ products { edges { cursor } } }", serde_json::json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    for text in [answer.to_string(), server.get("/products/1").await.text] {
        for leak in ["SELECT", "relation", "no such table", "product_id", "sqlx"] {
            assert!(!text.contains(leak), "{text}");
        }
    }
}

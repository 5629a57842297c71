//! `DATABASE_URL` with several hosts: a primary and its standby, which takes over.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Cluster, PASSWORD, Server, Setup, eventually, eventually_within};

const PRODUCT: &str = r#"{"id":1,"name":"x","price":1,"amount":100}"#;
const WITHOUT_ID: &str = r#"{"name":"x","price":1,"amount":1}"#;

/// Maximum time from the promotion of a standby to the first write.
const FAILOVER: Duration = Duration::from_secs(5);

/// Returns the URL of a database on several servers.
fn url(servers: &[&Cluster], database: &str, attribute: &str) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
    let hosts = hosts.join(",");
    format!("postgresql://postgres:{PASSWORD}@{hosts}/{database}?target_session_attrs={attribute}")
}

/// Creates products until the work is done, and returns the ids of those that the server has acknowledged.
async fn create_until(server: &Server, first: i64, is_done: &AtomicBool) -> Vec<i64> {
    let (mut acknowledged, mut id) = (Vec::new(), first);
    while !is_done.load(Ordering::Relaxed) {
        let product = json!({ "id": id, "name": "x", "price": 1, "amount": 1 }).to_string();
        if server.post("/products", product).await.status == 201 {
            acknowledged.push(id);
        }
        id += 1;
    }
    acknowledged
}

/// The primary is killed while clients write, and its synchronous standby is promoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_is_found_without_losing_acknowledged_writes() {
    let primary = Cluster::start().await;
    let database = primary.new_database().await;
    let standby = primary.start_standby().await;
    primary.set("synchronous_standby_names", "*").await;
    // The standby is the first host, so the server must find out that it is not the primary.
    let server = Setup::on(url(&[&standby, &primary], &database, "read-write")).await.start().await;
    let is_done = AtomicBool::new(false);
    let clients = (0..4).map(|client| create_until(&server, client * 1_000_000 + 1, &is_done));
    let failover = async {
        let is_busy = async || server.get("/products").await.json().as_array().unwrap().len() > 100;
        eventually("there are products", is_busy).await;
        primary.kill();
        standby.promote().await;
        let writes = async || server.post("/products", WITHOUT_ID).await.status == 201;
        eventually_within(FAILOVER, "writes succeed", writes).await;
        is_done.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(join_all(clients), failover);
    let stored = server.get("/products").await.json();
    let stored = stored.as_array().unwrap().iter().map(|product| product["id"].as_i64().unwrap());
    let stored: Vec<i64> = stored.collect();
    let acknowledged = acknowledged.concat();
    assert!(acknowledged.len() > 50);
    let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    eventually("the server is healthy", async || server.get("/health").await.status == 200).await;
}

/// The former primary is read-only now, but keeps its connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_primary_is_left() {
    let primary = Cluster::start().await;
    let database = primary.new_database().await;
    let standby = primary.start_standby().await;
    let server = Setup::on(url(&[&primary, &standby], &database, "read-write")).await.start().await;
    assert_eq!(server.post("/products", PRODUCT).await.status, 201);
    primary.wait_for_standby(&standby).await;
    primary.set("default_transaction_read_only", "on").await;
    let adjust = async || server.post("/products/1/stock", r#"{"delta":1}"#).await.status;
    eventually("writes fail", async || adjust().await == 503).await;
    standby.promote().await;
    eventually_within(FAILOVER, "writes succeed", async || adjust().await == 200).await;
    let stored = server.get("/products/1").await.json()["amount"].to_string();
    assert_eq!(standby.value(&database, "SELECT amount::text FROM product").await, stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_are_chosen_by_their_session_attribute() {
    let primary = Cluster::start().await;
    let database = primary.new_database().await;
    let standby = primary.start_standby().await;
    let migrated = Setup::on(primary.url(&database)).await.command().arg("migrate").output().await.unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    primary.wait_for_standby(&standby).await;
    let both = [&primary, &standby];
    for (servers, attribute) in [
        (&both[..], "any"),
        (&both, "read-write"),
        (&[&standby, &primary], "primary"),
        (&[&primary], "prefer-standby"),
    ] {
        let server = Setup::on(url(servers, &database, attribute)).await.start().await;
        assert_eq!(server.post("/products", WITHOUT_ID).await.status, 201, "{attribute}");
    }
    // The server cannot start on a standby, where it could read no changes.
    let is_standby = "during recovery";
    for (servers, attribute, reason) in [
        (&[&standby, &primary][..], "any", is_standby),
        (&both, "read-only", is_standby),
        (&both, "standby", is_standby),
        (&both, "prefer-standby", is_standby),
        (&[&standby], "read-write", "the server is read-only"),
        (&[&standby], "primary", "the server is a standby"),
        (&[&primary], "read-only", "the server accepts writes"),
        (&[&primary], "standby", "the server is not a standby"),
    ] {
        let setup =
            Setup::on(url(servers, &database, attribute)).await.with("STOCKMETER_DATABASE_WAIT", "2s");
        let (mut child, log) = setup.spawn();
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
        let text = log.read_to_end().await;
        assert!(text.contains(reason), "{attribute}: {text}");
    }
}

/// The first host accepts connections, but does not respond.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_respond_is_skipped() {
    let (frozen, working) = (Cluster::start().await, Cluster::start().await);
    let database = working.new_database().await;
    let _frozen = frozen.freeze();
    let server = Setup::on(url(&[&frozen, &working], &database, "read-write")).await.start().await;
    assert_eq!(server.post("/products", PRODUCT).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_names_every_host_and_no_password() {
    let database_url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:1,[::1]:2/db");
    let setup = Setup::on(database_url).await.with("STOCKMETER_DATABASE_WAIT", "0s");
    let (mut child, log) = setup.spawn();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let text = log.read_to_end().await;
    for part in ["PostgreSQL at 127.0.0.1:1,::1:2/db did not respond", "127.0.0.1:1: ", "; ::1:2: "] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains(PASSWORD), "{text}");
}

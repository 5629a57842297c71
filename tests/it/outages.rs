//! Outages of the database, the log and the file, and what the server does meanwhile and afterwards.

use std::{
    io::{Seek, SeekFrom, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::Signal;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{
    Cluster, PgBouncer, Server, Setup, Store, TIMEOUT, cluster, eventually, eventually_within, free_port,
    http_client, send_signal,
};

const PRODUCT: &str = r#"{"id":1,"name":"x","price":1,"amount":100}"#;

/// The network loses all connections to PostgreSQL without closing them. New connections work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_succeed_soon_after_connections_freeze() {
    let (setup, proxy) = Setup::new(Store::PostgreSql).await.through_proxy().await;
    let network = proxy.open(Duration::ZERO).await;
    let server = setup.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms").start().await;
    server.post("/products", PRODUCT).await;
    join_all((0..16).map(|id| server.get(["/products/1", "/products?limit=3"][id % 2]))).await;
    network.freeze();
    let succeeds = async |method: &str, path: &str, body: &'static str| {
        let request = || server.request(method, path).header("content-type", "application/json").body(body);
        let what = format!("{method} {path} succeeds");
        eventually_within(Duration::from_secs(20), what, async || server.send(request()).await.status == 200)
            .await;
    };
    tokio::join!(
        succeeds("POST", "/products/1/stock", r#"{"delta":1}"#),
        succeeds("GET", "/products/1", ""),
        succeeds("GET", "/products?limit=3", ""),
        succeeds("GET", "/products?count=exact&limit=1", ""),
        succeeds("DELETE", "/products?id=eq.1000", ""),
    );
    let reports = async || {
        server.get("/health/ready").await.status == 200 && server.metric("database_up").await == Some(1.0)
    };
    eventually_within(Duration::from_secs(10), "the server reports that the database is up", reports).await;
}

/// Commits wait for a synchronous standby that is unavailable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_commits_do_not_stop_reads() {
    let cluster = Cluster::start().await;
    let mut setup = Setup::new(Store::PostgreSql).await;
    setup.database_url = cluster.url(&cluster.new_database().await);
    let server = setup.start().await;
    server.post("/products", PRODUCT).await;
    let admin = cluster.connect("postgres").await;
    let standby = async |name: &str| {
        admin
            .execute_unprepared(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"))
            .await
            .unwrap();
        admin.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    };
    standby("missing").await;
    let product = |id: usize| json!({ "id": id, "name": "x", "price": 1, "amount": 1 }).to_string();
    let writes = join_all((0..32).map(|client| {
        let server = &server;
        async move {
            match client % 3 {
                0 => server.post("/products", product(client + 10)).await,
                1 => server.post("/products", format!("[{}]", product(client + 10))).await,
                _ => server.delete(&format!("/products?id=eq.{}", client + 1000)).await,
            }
        }
    }));
    let reads = async {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            let read = server.get("/products?limit=5");
            let response = tokio::time::timeout(Duration::from_secs(2), read).await.expect("reads go on");
            assert_eq!(response.status, 200);
        }
        standby("").await;
    };
    let (writes, ()) = tokio::join!(writes, reads);
    assert!(writes.iter().all(|response| [200, 201].contains(&response.status)), "{writes:?}");
}

/// After a failover, connections may lead to a server that has become read-only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_connections_are_replaced() {
    let setup = Setup::new(Store::PostgreSql).await;
    let name = setup.database.clone().unwrap();
    let admin = cluster().await.connect("postgres").await;
    drop(setup.clone().start().await);
    let read_only = async |value: &str| {
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        admin.execute_unprepared(&sql).await.unwrap();
    };
    let server = setup.start().await;
    server.post("/products", PRODUCT).await;
    read_only("on").await;
    let terminate =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    admin.execute_unprepared(&terminate).await.unwrap();
    let adjust = async || server.post("/products/1/stock", r#"{"delta":1}"#).await.status;
    eventually("writes fail", async || adjust().await == 503).await;
    read_only("off").await;
    eventually_within(Duration::from_secs(5), "writes succeed", async || adjust().await == 200).await;
}

/// A standby is promoted soon after the schema was migrated. Parts of it that are not crash-safe would be unusable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_accepts_writes() {
    let primary = Cluster::start().await;
    let mut setup = Setup::new(Store::PostgreSql).await;
    let name = primary.new_database().await;
    setup.database_url = primary.url(&name);
    let standby = primary.start_standby().await;
    let migrated = setup.command().arg("migrate").output().await.unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    primary.wait_for_standby(&standby).await;
    standby.promote().await;

    setup.database_url = standby.url(&name);
    let server = setup.start().await;
    let mut events = server.follow("", "").await;
    assert_eq!(server.post("/products", r#"{"name":"x","price":1,"amount":1}"#).await.status, 201);
    assert_eq!(server.post("/products/1/stock", r#"{"delta":5}"#).await.status, 200);
    assert_eq!(server.patch("/products/1", r#"{"name":"y"}"#).await.status, 200);
    assert_eq!(server.delete("/products/1").await.status, 204);
    assert_eq!(events.next_kinds(4).await, ["created", "stock_moved", "updated", "deleted"]);
}

/// A pooler that shares connections between clients would mix up their statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poolers_that_share_connections_are_rejected() {
    for mode in ["transaction", "statement"] {
        let (setup, _pooler) = PgBouncer::start(mode).await;
        let (mut child, log) = setup.spawn();
        assert_eq!(child.wait().await.unwrap().code(), Some(1));
        let text = log.read_to_end().await;
        assert!(text.contains("shares connections between clients: set its pool mode to session"), "{text}");
    }
    let (setup, _pooler) = PgBouncer::start("session").await;
    let server = setup.start().await;
    server.post("/products", PRODUCT).await;
    let adjust = || server.post("/products/1/stock", r#"{"delta":1}"#);
    assert!(join_all((0..40).map(|_| adjust())).await.iter().all(|response| response.status == 200));
    assert_eq!(server.get("/products/1").await.json()["amount"], 140);
}

/// The server's log is not read, so its pipe is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_pipe_stops_no_request() {
    let address = format!("127.0.0.1:{}", free_port());
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_ACCESS_LOG", true);
    let setup = setup.with("STOCKMETER_LISTEN", &address);
    let (_reader, writer) = std::io::pipe().unwrap();
    let mut command = setup.command();
    let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    let http = http_client().timeout(TIMEOUT).build().unwrap();
    let get = async |path: &str| http.get(format!("http://{address}{path}")).send().await;
    eventually("the server is up", async || get("/health").await.is_ok()).await;
    // Each request writes a line. The pipe has 64 KiB, and the buffer 8192 lines.
    let dropped = async || {
        join_all((0..100).map(|_| get("/products/7"))).await;
        let metrics = get("/metrics").await.unwrap().text().await.unwrap();
        metrics.lines().any(|line| line.starts_with("log_lines_dropped_total ") && !line.ends_with(" 0"))
    };
    eventually("lines are dropped", dropped).await;
    for path in ["/health/live", "/metrics", "/products"] {
        assert_eq!(get(path).await.unwrap().status(), 200, "{path}");
    }
    let start = Instant::now();
    send_signal(&child, Signal::TERM);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

/// Clients that use kept connections while the server stops. Each gets a response to each request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_drops_no_request() {
    for delay in ["0s", "1s"] {
        let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_SHUTDOWN_DELAY", delay);
        let mut server = setup.start().await;
        server.post("/products", PRODUCT).await;
        let responses = Arc::<AtomicUsize>::default();
        let client = |_| tokio::spawn(request_until_closed(server.address.clone(), responses.clone()));
        let clients: Vec<_> = (0..16).map(client).collect();
        eventually("the clients are busy", async || responses.load(Ordering::Relaxed) > 1600).await;
        server.signal(Signal::TERM);
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(server.wait_for_exit().await.code(), Some(0));
    }
}

/// Sends requests over one connection until a response closes it, and counts the responses. Panics if a request
/// gets none.
async fn request_until_closed(address: String, responses: Arc<AtomicUsize>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    loop {
        stream.write_all(b"GET /products/1 HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut response = Vec::new();
        let mut buffer = [0; 2048];
        while !response.ends_with(b"}") {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the connection was closed without a response");
            response.extend_from_slice(&buffer[..length]);
        }
        responses.fetch_add(1, Ordering::Relaxed);
        if String::from_utf8_lossy(&response).to_lowercase().contains("connection: close") {
            return;
        }
    }
}

/// A part of the file is overwritten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_rejected() {
    let mut server = Server::start(Store::Sqlite).await;
    let products: Vec<Value> =
        (0..500).map(|id| json!({ "name": format!("product {id}"), "price": 1, "amount": 1 })).collect();
    server.post("/products", Value::from(products).to_string()).await;
    server.signal(Signal::TERM);
    server.wait_for_exit().await;
    let mut file = std::fs::OpenOptions::new().write(true).open(server.setup.file()).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length / 2)).unwrap();
    file.write_all(&[0xAB; 8192]).unwrap();
    let (mut child, log) = server.setup.spawn();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let text = log.read_to_end().await;
    assert!(text.contains("damaged") || text.contains("malformed"), "{text}");
}

/// The file is deleted or replaced while the server runs. No write may be acknowledged and lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_file_is_noticed() {
    for replaces in [false, true] {
        let server = Server::start(Store::Sqlite).await;
        server.post("/products", PRODUCT).await;
        let (file, kept) = (server.setup.file(), server.setup.folder.path().join("kept.db"));
        std::fs::rename(&file, &kept).unwrap();
        if replaces {
            std::fs::copy(&kept, &file).unwrap();
        }
        // Even the first write is not acknowledged.
        assert_eq!(server.post("/products/1/stock", r#"{"delta":1}"#).await.status, 503);
        let fails = async || {
            let write = server.post("/products/1/stock", r#"{"delta":1}"#).await.status;
            write == 503
                && server.get("/products/1").await.status == 503
                && server.get("/health").await.status == 503
        };
        eventually_within(Duration::from_secs(5), "requests fail", fails).await;
        std::fs::rename(&kept, &file).unwrap();
        let works = async || server.post("/products/1/stock", r#"{"delta":1}"#).await.status == 200;
        eventually_within(Duration::from_secs(5), "the file is used again", works).await;
    }
}

/// The file is emptied while the server runs. A write to the log would be acknowledged and lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_file_is_noticed() {
    let server = Server::start(Store::Sqlite).await;
    server.post("/products", PRODUCT).await;
    std::fs::File::create(server.setup.file()).unwrap();
    assert_eq!(server.post("/products/1/stock", r#"{"delta":1}"#).await.status, 503);
    let fails = async || server.get("/health/ready").await.status == 503;
    eventually_within(Duration::from_secs(5), "the server is not ready", fails).await;
    server.log.wait_for_line("the database file was emptied").await;
}

/// Lists of different lengths do not fill the caches of prepared statements.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_many_lengths_keep_no_memory() {
    for store in [Store::Sqlite, Store::PostgreSql] {
        let server = Server::start(store).await;
        server.post("/products", PRODUCT).await;
        let get = async |length: usize| {
            let ids: Vec<String> = (1..=length).map(|id| id.to_string()).collect();
            let response = server.get(&format!("/products?limit=5&id=in.{}", ids.join(","))).await;
            assert_eq!(response.json()[0]["id"], 1);
        };
        for length in 1..50 {
            get(length).await;
        }
        let before = server.resident_bytes();
        for length in 50..650 {
            get(length).await;
        }
        let growth = server.resident_bytes().saturating_sub(before);
        assert!(growth < 12 << 20, "{store:?}: {} KiB", growth >> 10);
    }
}

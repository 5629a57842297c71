//! From nothing to a server that listens, and what stands in the way.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Log, PASSWORD, Setup, Store};

on_both_stores!(
    ten_copies_start_at_once,
    a_newer_schema_is_refused,
    a_taken_address_is_refused,
    a_server_stops_when_told,
    what_is_stored_outlives_a_restart,
);

/// It ended with exit code 1, and its last line says why.
async fn refused(setup: &Setup, reason: &str) {
    let (mut child, log) = setup.spawn();
    let status = child.wait().await.unwrap();
    let text = log.whole().await;
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(last.starts_with("error: ") && last.contains(reason), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains("wrong-horse"), "{text}");
}

async fn ten_copies_start_at_once(store: Store) {
    let setup = Setup::new(store).await;
    let servers = join_all((0..10).map(|_| setup.clone().start())).await;
    servers[0].post("/products", r#"{"id":1,"name":"x","price":1,"amount":1}"#).await;
    for server in &servers {
        assert_eq!(server.get("/products/1").await.status, 200);
    }
}

async fn a_newer_schema_is_refused(store: Store) {
    let server = Setup::new(store).await.start().await;
    let newer = "INSERT INTO seaql_migrations VALUES ('m20991231_000001_from_the_future', 0)";
    server.behind_the_back().await.execute_unprepared(newer).await.unwrap();
    refused(&server.setup, "newer schema (m20991231_000001_from_the_future)").await;
}

async fn a_taken_address_is_refused(store: Store) {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let setup = Setup::new(store).await.with("STOCKMETER_LISTEN", address);
    refused(&setup, &format!("can't listen on {address}")).await;
}

async fn a_server_stops_when_told(store: Store) {
    let mut server = Setup::new(store).await.start().await;
    // An idle connection, as browsers and proxies keep them, must not hold it up.
    let _idle = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(server.get("/health").await.status, 200);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    let log = server.log.whole().await;
    assert!(log.contains("stopped") && !log.contains("cut off"), "{log}");
}

async fn what_is_stored_outlives_a_restart(store: Store) {
    let mut server = Setup::new(store).await.start().await;
    let product = r#"{"id":1,"name":"x","price":1.0,"amount":1}"#;
    server.post("/products", product).await.is(201, product);
    server.signal(rustix::process::Signal::INT);
    assert_eq!(server.ended().await.code(), Some(0));
    let server = server.setup.clone().start().await;
    server.get("/products/1").await.is(200, product);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_up_late_is_waited_for() {
    let (setup, way) = Setup::new(Store::PostgreSql).await.over_a_way_of_its_own().await;
    let (_child, log) = setup.spawn();
    let line = log.line("waiting for the database").await;
    assert!(
        line.contains(&format!("PostgreSQL at 127.0.0.1:{}", way.port())) && line.contains("refused"),
        "{line}"
    );
    way.open(Duration::ZERO).await;
    log.line("listening on").await;
    assert!(!log.text().contains(PASSWORD), "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_never_comes_up_ends_the_wait() {
    let (setup, way) = Setup::new(Store::PostgreSql).await.over_a_way_of_its_own().await;
    let reason = format!("PostgreSQL at 127.0.0.1:{}", way.port());
    let setup = setup.with("STOCKMETER_DATABASE_WAIT", "300ms");
    refused(&setup, &reason).await;
    let (mut child, log) = setup.with("STOCKMETER_DATABASE_WAIT", "1h").spawn();
    log.line("waiting for the database").await;
    // Whoever waits can be told to stop.
    crate::harness::send_signal(&child, rustix::process::Signal::TERM);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_useless_database_url_is_refused_at_once() {
    let mut setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_LOG", "trace");
    let good = setup.database_url.clone();
    for (url, reason) in [
        (good.replace(PASSWORD, "wrong-horse"), "refused the connection: "),
        (format!("{good}_missing"), "does not exist"),
        (format!("mysql://root:{PASSWORD}@localhost/db"), "DATABASE_URL must start with"),
        (PASSWORD.to_owned(), "DATABASE_URL must start with"),
        (format!("postgres://a:{PASSWORD}@localhost:port/db"), "DATABASE_URL is no PostgreSQL URL"),
        (good.replace(PASSWORD, &format!("12/{PASSWORD}")), "DATABASE_URL has an @"),
        (format!("postgres://postgres:47?{PASSWORD}@127.0.0.1/db"), "DATABASE_URL has an @"),
        (format!("{good}_missing?sslpassword={PASSWORD}"), "does not exist"),
        ("sqlite::memory:".to_owned(), "DATABASE_URL must name a file"),
        ("sqlite://?cache=private".to_owned(), "DATABASE_URL must name a file"),
        ("sqlite://stock.db?mode=ro".to_owned(), "DATABASE_URL has options behind its file"),
        ("sqlite://no/such/folder/stock.db".to_owned(), "can't open SQLite in no/such/folder/stock.db"),
    ] {
        setup.database_url = url;
        refused(&setup, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_url_the_store_is_a_file_in_the_working_directory() {
    let setup = Setup::new(Store::Sqlite).await;
    let mut child =
        setup.command().env_remove("DATABASE_URL").stderr(std::process::Stdio::piped()).spawn().unwrap();
    Log::of(child.stderr.take().unwrap()).line("listening on").await;
    assert!(setup.file().exists());
}

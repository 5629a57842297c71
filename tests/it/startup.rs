//! Startup, errors that prevent it, and shutdown.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio, time::Duration};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use crate::harness::{Log, NORTHWIND, PASSWORD, Server, Setup, Store, cluster, eventually, http_client};

on_both_stores!(
    ten_instances_start_concurrently,
    a_newer_schema_is_rejected,
    an_address_in_use_is_rejected,
    an_incomplete_database_is_rejected,
    a_second_signal_ends_the_grace_period,
    a_server_stops_on_sigterm,
    products_survive_a_restart,
);

/// Asserts that the server exits with code 1, that its last log line contains the reason, and that the log
/// contains no password.
async fn assert_rejected(setup: &Setup, reason: &str) {
    let (mut child, log) = setup.spawn();
    let status = child.wait().await.unwrap();
    let text = log.read_to_end().await;
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(last.starts_with("error: ") && last.contains(reason), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains("wrong-horse"), "{text}");
    // Lines of PostgreSQL's source, and the library's report of its own end.
    assert!(!text.contains(" at line ") && !text.contains("MeterProvider.Drop"), "{text}");
}

async fn ten_instances_start_concurrently(store: Store) {
    let setup = Setup::new(store).await;
    let servers = join_all((0..10).map(|_| setup.clone().start())).await;
    servers[0].post("/products", r#"{"id":1,"name":"x","price":1,"amount":1}"#).await;
    for server in &servers {
        assert_eq!(server.get("/products/1").await.status, 200);
    }
}

async fn a_newer_schema_is_rejected(store: Store) {
    let server = Setup::new(store).await.start().await;
    let newer = "INSERT INTO seaql_migrations VALUES ('m20991231_000001_from_the_future', 0)";
    server.direct_connection().await.execute_unprepared(newer).await.unwrap();
    assert_rejected(&server.setup, "newer schema (m20991231_000001_from_the_future)").await;
}

async fn an_incomplete_database_is_rejected(store: Store) {
    let server = Setup::new(store).await.start().await;
    let database = server.direct_connection().await;
    for (damage, repair) in [
        ("ALTER TABLE idempotency_key RENAME TO hidden", "ALTER TABLE hidden RENAME TO idempotency_key"),
        (
            "ALTER TABLE product_change_log RENAME TO hidden",
            "ALTER TABLE hidden RENAME TO product_change_log",
        ),
        (
            "ALTER TABLE product RENAME COLUMN price TO cost",
            "ALTER TABLE product RENAME COLUMN cost TO price",
        ),
    ] {
        database.execute_unprepared(damage).await.unwrap();
        assert_rejected(&server.setup, "the database is incomplete, restore it from a backup: ").await;
        database.execute_unprepared(repair).await.unwrap();
    }
}

async fn a_second_signal_ends_the_grace_period(store: Store) {
    let mut server = Setup::new(store).await.with("STOCKMETER_SHUTDOWN_GRACE", "1h").start().await;
    let mut upload = TcpStream::connect(&server.address).await.unwrap();
    let request = "POST /products HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    upload.write_all(request.as_bytes()).await.unwrap();
    // The upload has begun when the metrics count it as well as their own request.
    let began = async || server.metric("http_requests_in_flight").await == Some(2.0);
    eventually("the upload has begun", began).await;
    server.signal(rustix::process::Signal::TERM);
    server.log.wait_for_line("no new connections").await;
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
    assert!(
        server.log.read_to_end().await.contains("requests still active at the second signal are aborted")
    );
}

async fn an_address_in_use_is_rejected(store: Store) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let setup = Setup::new(store).await.with("STOCKMETER_LISTEN", address);
    let setup = setup.with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    assert_rejected(&setup, &format!("cannot listen on {address}")).await;
}

async fn a_server_stops_on_sigterm(store: Store) {
    let mut server = Setup::new(store).await.start().await;
    // Browsers and proxies keep idle connections open, which must not delay the shutdown.
    let _idle = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(server.get("/health").await.status, 200);
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
    let log = server.log.read_to_end().await;
    assert!(log.contains("stopped") && !log.contains("cut off"), "{log}");
}

async fn products_survive_a_restart(store: Store) {
    let mut server = Setup::new(store).await.start().await;
    let product = r#"{"id":1,"name":"x","price":1.0,"amount":1}"#;
    server.post("/products", product).await.is(201, product);
    server.signal(rustix::process::Signal::INT);
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
    let server = server.setup.clone().start().await;
    server.get("/products/1").await.is(200, product);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_waits_for_a_late_database() {
    let (setup, proxy) = Setup::new(Store::PostgreSql).await.through_proxy().await;
    let (_child, log) = setup.spawn();
    let line = log.wait_for_line("waiting for the database").await;
    assert!(
        line.contains(&format!("PostgreSQL at 127.0.0.1:{}", proxy.port()))
            && line.contains("Connection refused"),
        "{line}"
    );
    proxy.open(Duration::ZERO).await;
    log.wait_for_line("listening on").await;
    assert!(!log.text().contains(PASSWORD), "{}", log.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_database_is_limited() {
    let (setup, proxy) = Setup::new(Store::PostgreSql).await.through_proxy().await;
    let reason = format!("PostgreSQL at 127.0.0.1:{}", proxy.port());
    let setup = setup.with("STOCKMETER_DATABASE_WAIT", "300ms");
    assert_rejected(&setup, &reason).await;
    let (mut child, log) = setup.with("STOCKMETER_DATABASE_WAIT", "1h").spawn();
    log.wait_for_line("waiting for the database").await;
    // SIGTERM ends the wait for the database.
    crate::harness::send_signal(&child, rustix::process::Signal::TERM);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_locked_table_is_limited() {
    let server = Setup::new(Store::PostgreSql).await.start().await;
    let lock = server.direct_connection().await.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE seaql_migrations").await.unwrap();
    let setup = server.setup.clone().with("STOCKMETER_DATABASE_WAIT", "2s");
    let (mut child, log) = setup.spawn();
    log.wait_for_line("which may wait for other sessions that have locked it").await;
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let text = log.read_to_end().await;
    assert!(text.contains("another session has locked a table of the database for more than 2s"), "{text}");
    lock.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_waits_for_a_locked_file() {
    let mut server = Setup::new(Store::Sqlite).await.start().await;
    server.signal(rustix::process::Signal::TERM);
    server.wait_for_exit().await;
    let other = rusqlite::Connection::open(server.setup.file()).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE other (id integer)").unwrap();
    let (_child, log) = server.setup.spawn();
    log.wait_for_line("waiting for another process that is using the database").await;
    drop(other);
    log.wait_for_line("listening on").await;
    assert_eq!(log.text().matches("waiting for another process").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_database_url_is_rejected_at_once() {
    let mut setup = Setup::new(Store::PostgreSql).await.with("STOCKMETER_LOG", "trace");
    let good = setup.database_url.clone();
    for (url, reason) in [
        (good.replace(PASSWORD, "wrong-horse"), "rejected the connection: "),
        (format!("{good}_missing"), "does not exist"),
        (format!("mysql://root:{PASSWORD}@localhost/db"), "DATABASE_URL must start with"),
        (PASSWORD.to_owned(), "DATABASE_URL must start with"),
        (format!("postgres://a:{PASSWORD}@localhost:port/db"), "DATABASE_URL is not a valid PostgreSQL URL"),
        (good.replace(PASSWORD, &format!("12/{PASSWORD}")), "DATABASE_URL has an @"),
        (format!("postgres://postgres:47?{PASSWORD}@127.0.0.1/db"), "DATABASE_URL has an @"),
        (format!("{good}_missing?sslpassword={PASSWORD}"), "has the unknown parameter `sslpassword`"),
        (format!("{good}?sslMode=require"), "unknown parameter `sslMode`, for TLS use sslmode=require"),
        (format!("{good}?ssl=true"), "unknown parameter `ssl`, for TLS use sslmode=require"),
        (format!("{good}?channel_binding=require"), "unknown parameter `channel_binding`"),
        (format!("{good}?sslmode=require"), "rejected the connection: "),
        (format!("{good}?sslmode=requre"), "DATABASE_URL has an unknown sslmode: use one of disable, allow"),
        (good.replace("127.0.0.1", "127.0.0.1,"), "DATABASE_URL has an empty name in its list of hosts"),
        (format!("{good}?host=a,b"), "DATABASE_URL has several values of `host`: write the hosts before"),
        (
            format!("{good}?target_session_attrs=master"),
            "DATABASE_URL has an unknown target_session_attrs: use one of any, read-write",
        ),
        (good.replace(PASSWORD, &format!("{PASSWORD}%zz")), "write % in a password as %25"),
        (format!("postgres://postgres:47#{PASSWORD}@127.0.0.1/db"), "DATABASE_URL has an @"),
        ("sqlite::memory:".to_owned(), "DATABASE_URL must name a file"),
        ("sqlite://?cache=private".to_owned(), "DATABASE_URL must name a file"),
        ("sqlite://stock.db?mode=ro".to_owned(), "DATABASE_URL has unsupported parameters"),
        ("sqlite://no/such/folder/stock.db".to_owned(), "cannot open SQLite in no/such/folder/stock.db"),
    ] {
        setup.database_url = url;
        assert_rejected(&setup, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_may_have_an_ipv6_address() {
    let mut setup = Setup::new(Store::PostgreSql).await;
    setup.database_url = format!("postgres://postgres:{PASSWORD}@[::1]:1/db");
    let setup = setup.with("STOCKMETER_DATABASE_WAIT", "0s");
    assert_rejected(&setup, "PostgreSQL at ::1:1/db did not respond").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_settings_are_rejected_by_name() {
    for (name, value, reason) in [
        ("STOCKMETER_LOG", "verbose", "`verbose` is not a level"),
        ("STOCKMETER_LOG", "info,stockmeter=loud", "`loud` is not a level"),
        ("STOCKMETER_REQUEST_TIMEOUT", "0s", "must be longer than 0s"),
        ("STOCKMETER_DATABASE_STATEMENT_TIMEOUT", "0ms", "must be longer than 0s"),
        ("STOCKMETER_GRAPHQL_TIMEOUT", "1000000y", "must be at most 100 years"),
        ("STOCKMETER_SHUTDOWN_GRACE", "101y", "must be at most 100 years"),
        ("STOCKMETER_LISTEN", ":8000", "such as 127.0.0.1:8000"),
        ("STOCKMETER_LISTEN", "8000", "such as 127.0.0.1:8000"),
        ("STOCKMETER_METRICS_LISTEN", "no.such.host.invalid:1", "such as 127.0.0.1:8000"),
    ] {
        let setup = Setup::new(Store::Sqlite).await.with(name, value);
        let (mut child, log) = setup.spawn();
        assert_eq!(child.wait().await.unwrap().code(), Some(2), "{name}={value}");
        let text = log.read_to_end().await;
        let flag = name.trim_start_matches("STOCKMETER_").to_lowercase().replace('_', "-");
        assert!(text.contains(reason) && text.contains(&flag), "{text}");
    }
}

/// Compose passes `${NAME:-}` as an empty variable.
#[tokio::test(flavor = "multi_thread")]
async fn empty_variables_count_as_unset() {
    let names = [
        "STOCKMETER_METRICS_TOKEN",
        "STOCKMETER_METRICS_LISTEN",
        "STOCKMETER_CORS_ORIGINS",
        "STOCKMETER_REQUEST_TIMEOUT",
        "STOCKMETER_LOG",
        "STOCKMETER_CONFIG",
        "STOCKMETER_REQUIRE_IF_MATCH",
        "STOCKMETER_GRAPHQL_OPERATION_NAMES",
        "TOKIO_WORKER_THREADS",
    ];
    let setup = Setup::new(Store::Sqlite).await;
    let setup = names.into_iter().fold(setup, |setup, name| setup.with(name, ""));
    let server = setup.with("STOCKMETER_LISTEN", "localhost:0").start().await;
    assert_eq!(server.get("/metrics").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_values_in_the_file_count_as_unset() {
    let setup = Setup::new(Store::Sqlite).await;
    let file = "metrics_token = ''\ncors_origins = ''\nlog = ''\nrequest_timeout = ''\ncors_headers = []";
    std::fs::write(setup.folder.path().join("stockmeter.toml"), file).unwrap();
    let server = setup.with("STOCKMETER_CONFIG", "stockmeter.toml").start().await;
    assert_eq!(server.get("/metrics").await.status, 200);
    // An empty flag may come from a variable that was not set. It must not remove the protection unnoticed.
    let output = server.setup.command().args(["serve", "--metrics-token", ""]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("must not be empty"), "{output:?}");
}

/// PostgreSQL accepts timeouts of up to 25 days.
#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_long() {
    let setup = Setup::new(Store::PostgreSql).await;
    let names = [
        "STOCKMETER_DATABASE_STATEMENT_TIMEOUT",
        "STOCKMETER_DATABASE_ACQUIRE_TIMEOUT",
        "STOCKMETER_REQUEST_TIMEOUT",
        "STOCKMETER_GRAPHQL_TIMEOUT",
        "STOCKMETER_IDLE_TIMEOUT",
    ];
    let server = names.into_iter().fold(setup, |setup, name| setup.with(name, "100y")).start().await;
    assert_eq!(server.post("/products", r#"{"name":"x","price":1,"amount":1}"#).await.status, 201);
    server.graphql("{ products { nodes { id } } }", serde_json::json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_store_is_a_file_in_the_working_directory() {
    let setup = Setup::new(Store::Sqlite).await;
    let mut child =
        setup.command().env_remove("DATABASE_URL").stderr(std::process::Stdio::piped()).spawn().unwrap();
    Log::read_from(child.stderr.take().unwrap()).wait_for_line("listening on").await;
    assert!(setup.file().exists());
}

#[tokio::test]
async fn secrets_may_be_files() {
    let setup = Setup::new(Store::Sqlite).await;
    let write = |name: &str, text: &str| {
        let file = setup.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (url, token) = (write("url", "sqlite://secret.db\n"), write("token", "s3cret\r\n"));
    fs::write(setup.folder.path().join("stockmeter.toml"), "database_url = 'sqlite://toml.db'").unwrap();
    let mut command = setup.clone().with("STOCKMETER_METRICS_TOKEN_FILE", &token).command();
    command.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", &url).args(["--config", "stockmeter.toml"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let log = Log::read_from(child.stderr.take().unwrap());
    let line: Value = serde_json::from_str(&log.wait_for_line("listening on").await).unwrap();
    assert!(!log.text().contains("unknown environment variables"), "{}", log.text());
    assert!(setup.folder.path().join("secret.db").exists());
    let metrics = format!("http://{}/metrics", line["address"].as_str().unwrap());
    let http = http_client().build().unwrap();
    assert_eq!(http.get(&metrics).send().await.unwrap().status(), 401);
    assert_eq!(http.get(&metrics).bearer_auth("s3cret").send().await.unwrap().status(), 200);

    // A variable wins over the file, and the help does not show the secret.
    let output = setup.clone().with("DATABASE_URL_FILE", &url).command().arg("migrate").output();
    assert!(output.await.unwrap().status.success() && setup.file().exists());
    let help = setup.clone().with("STOCKMETER_METRICS_TOKEN_FILE", &token).command().arg("--help").output();
    assert!(!String::from_utf8(help.await.unwrap().stdout).unwrap().contains("s3cret"));
    let missing =
        setup.clone().with("STOCKMETER_METRICS_TOKEN_FILE", "missing").command().output().await.unwrap();
    let message = String::from_utf8(missing.stderr).unwrap();
    assert!(message.contains("cannot read the file missing of STOCKMETER_METRICS_TOKEN_FILE"), "{message}");
}

#[tokio::test]
async fn only_the_owner_may_read_a_new_sqlite_file() {
    let server = Server::start(Store::Sqlite).await;
    assert_eq!(server.post("/products", NORTHWIND).await.status, 201);
    let wal = server.setup.folder.path().join("stockmeter.db-wal");
    for file in [server.setup.file(), wal] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

/// Another role migrates the schema. The role of the server may only read and write rows.
#[tokio::test]
async fn the_role_of_the_server_needs_no_right_to_change_the_schema() {
    let setup = Setup::new(Store::PostgreSql).await;
    let (cluster, name) = (cluster().await, setup.database.clone().unwrap());
    let output = setup.command().arg("migrate").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let role = format!("{name}_app");
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}';
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
        GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {role}"
    );
    cluster.connect(&name).await.execute_unprepared(&grants).await.unwrap();
    let mut as_role = setup;
    as_role.database_url = as_role.database_url.replace("postgres:", &format!("{role}:"));
    assert!(as_role.database_url.starts_with("postgresql://test_"), "{}", as_role.database_url);
    let server = as_role.start().await;
    let mut events = server.follow("", "").await;
    assert_eq!(server.post("/products", NORTHWIND).await.status, 201);
    assert_eq!(server.post("/products", r#"{"name":"a","price":1,"amount":1}"#).await.status, 201);
    assert_eq!(server.put("/products/1", r#"{"name":"a","price":1,"amount":1}"#).await.status, 200);
    assert_eq!(server.post("/products/1/stock", r#"{"delta":1}"#).await.status, 200);
    assert_eq!(server.delete("/products/1").await.status, 204);
    let csv = server.request("POST", "/products").header("content-type", "text/csv");
    assert_eq!(
        server.send(csv.header("idempotency-key", "k").body("name,price,amount\nb,1,1\n")).await.status,
        201
    );
    assert_eq!(server.get("/health").await.status, 200);
    assert_eq!(events.next().await.unwrap().kind, "created");
}

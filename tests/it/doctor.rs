//! `stockmeter doctor` finds what is wrong, says what to do, and changes nothing.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::process::Command;

use crate::harness::{PgBouncer, Server, Setup, Store, TcpProxy, cluster};

on_both_stores!(
    a_healthy_server_has_no_findings,
    a_database_that_does_not_exist_yet_is_not_created,
    the_state_of_the_schema_is_found,
    a_port_in_use_is_found,
    wrong_settings_are_found,
    limits_and_folders_of_the_machine_are_checked,
);

async fn diagnose(command: &mut Command) -> (Option<i32>, String) {
    let output = command.arg("doctor").output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Asserts that `doctor` has exactly one line that is not `ok`, with this level, subject and text.
#[track_caller]
fn assert_only((code, lines): (Option<i32>, String), level: &str, subject: &str, text: &str) {
    let findings: Vec<_> = lines.lines().filter(|line| !line.starts_with("ok ")).collect();
    let [finding] = findings[..] else { panic!("{lines}") };
    assert!(finding.starts_with(&format!("{level:<8} {subject:<12} ")) && finding.contains(text), "{lines}");
    assert_eq!(code, Some(i32::from(level == "failed")), "{lines}");
}

/// Returns the names of all files, and the content of those that SQLite changes.
fn files(setup: &Setup) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(setup.folder.path()).unwrap().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        let content = if name.ends_with("-shm") { Vec::new() } else { fs::read(entry.path()).unwrap() };
        (name, content)
    };
    let mut files: Vec<_> = entries.map(read).collect();
    files.sort();
    files
}

async fn a_healthy_server_has_no_findings(store: Store) {
    let mut server = Server::start(store).await;
    server.post("/products", r#"{"name":"x","price":1,"amount":1}"#).await;
    let mut command = server.setup.command();
    command.env("STOCKMETER_LISTEN", &server.address);
    let before = files(&server.setup);
    let (code, lines) = diagnose(&mut command).await;
    assert!(code == Some(0) && lines.lines().all(|line| line.starts_with("ok ")), "{lines}");
    let subjects =
        ["settings", "database", "schema", "writes", "clock", "descriptors", "port", "temp folder"];
    for subject in subjects {
        assert!(lines.contains(&format!("ok       {subject:<12} ")), "{subject}: {lines}");
    }
    assert!(lines.contains(&format!("a server is ready on {}", server.address)), "{lines}");
    assert_eq!(files(&server.setup), before);

    server.signal(Signal::TERM);
    assert!(server.wait_for_exit().await.success());
    let before = files(&server.setup);
    let (code, lines) = diagnose(&mut server.setup.command()).await;
    assert!(code == Some(0) && lines.lines().all(|line| line.starts_with("ok ")), "{lines}");
    assert_eq!(files(&server.setup), before);
}

async fn a_database_that_does_not_exist_yet_is_not_created(store: Store) {
    let setup = Setup::new(store).await;
    let diagnosis = diagnose(&mut setup.command()).await;
    if store == Store::Sqlite {
        assert_only(diagnosis, "warning", "database", "stockmeter.db does not exist; the server creates it");
        assert_eq!(files(&setup), []);
        let missing = diagnose(setup.command().env("DATABASE_URL", "sqlite://missing/stockmeter.db")).await.1;
        assert!(
            missing.contains("failed   database     missing/stockmeter.db cannot be created"),
            "{missing}"
        );
        return;
    }
    assert!(
        diagnosis.0 == Some(0) && diagnosis.1.contains("it is missing; the server creates it"),
        "{diagnosis:?}"
    );
    let database = cluster().await.connect(setup.database.as_deref().unwrap()).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let tables = database.query_one_raw(Statement::from_string(DbBackend::Postgres, tables)).await.unwrap();
    assert_eq!(tables.unwrap().try_get_by_index(0), Ok(0_i64));
}

async fn the_state_of_the_schema_is_found(store: Store) {
    let server = Server::start(store).await;
    let setup = &server.setup;
    assert!(setup.command().args(["migrate", "down"]).output().await.unwrap().status.success());
    let diagnosis = diagnose(&mut setup.command()).await;
    assert_only(diagnosis, "warning", "schema", "pending migrations: 1");
    assert!(setup.command().arg("migrate").output().await.unwrap().status.success());
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m30000101_000001_later', 0)";
    server.direct_connection().await.execute_unprepared(newer).await.unwrap();
    assert_only(diagnose(&mut setup.command()).await, "failed", "schema", "(m30000101_000001_later)");
}

async fn a_port_in_use_is_found(store: Store) {
    let setup = Server::start(store).await.setup.clone();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    // The program on the port is no server, and closes every connection.
    let other = std::thread::spawn(move || drop(other.accept()));
    let diagnosis = diagnose(setup.command().env("STOCKMETER_METRICS_LISTEN", address.to_string())).await;
    other.join().unwrap();
    assert_only(diagnosis, "failed", "port", "change STOCKMETER_METRICS_LISTEN");
}

async fn wrong_settings_are_found(store: Store) {
    let setup = Server::start(store).await.setup.clone();
    let misspelt = diagnose(setup.command().env("STOCKMETER_LISTNE", "x")).await;
    assert_only(misspelt, "warning", "settings", "STOCKMETER_LISTNE (did you mean STOCKMETER_LISTEN?)");
    let legacy = diagnose(setup.command().env("SECRET_KEY", "x")).await;
    assert_only(legacy, "warning", "settings", "SECRET_KEY has no effect");
    let missing = diagnose(setup.command().env("STOCKMETER_JWT_SECRET_KEY", "true")).await;
    assert_only(missing, "failed", "settings", "the variable SECRET_KEY is not");
    let (code, lines) = diagnose(setup.command().env("DATABASE_URL", "mysql://bob:horse@db/shop")).await;
    assert!(
        code == Some(1) && lines.contains("failed   database     DATABASE_URL must start with"),
        "{lines}"
    );
    assert!(!lines.contains("horse"), "{lines}");
}

async fn limits_and_folders_of_the_machine_are_checked(store: Store) {
    let setup = Server::start(store).await.setup.clone();
    let mut limited = setup.command();
    let settings: Vec<_> =
        limited.as_std().get_envs().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"ulimit -n 200; exec "$0" "$@""#, env!("CARGO_BIN_EXE_stockmeter")]);
    shell.current_dir(setup.folder.path()).env_clear();
    shell.envs(settings.into_iter().filter_map(|(name, value)| Some((name, value?))));
    assert_only(diagnose(&mut shell).await, "warning", "descriptors", "allows 128 of 4096 connections");
    let missing = diagnose(limited.env("TMPDIR", "/missing")).await;
    assert_only(missing, "failed", "temp folder", "/missing cannot be used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_is_checked() {
    let mut server = Server::start(Store::Sqlite).await;
    let rows = format!("[{}]", vec![r#"{"name":"x","price":1,"amount":1}"#; 5000].join(","));
    assert_eq!(server.post("/products", rows).await.status, 201);
    server.signal(Signal::TERM);
    assert!(server.wait_for_exit().await.success());
    let (setup, file) = (&server.setup, server.setup.file());
    let check = async || diagnose(&mut setup.command()).await;

    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    assert_only(check().await, "warning", "permissions", "(mode 644); run `chmod 600 stockmeter.db`");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();

    let later = SystemTime::now() + Duration::from_secs(3600);
    let opened = fs::File::options().append(true).open(&file).unwrap();
    opened.set_modified(later).unwrap();
    assert_only(check().await, "warning", "clock", "which is too early");
    opened.set_modified(SystemTime::now()).unwrap();

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0xAA);
    fs::write(&file, bytes).unwrap();
    assert_only(check().await, "failed", "database", "is damaged");
    fs::write(&file, "no database, but a text that is long enough to be taken for a header ".repeat(100))
        .unwrap();
    assert_only(check().await, "failed", "database", "check DATABASE_URL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_server_is_checked() {
    let server = Server::start(Store::PostgreSql).await;
    let (setup, name) = (&server.setup, server.setup.database.as_deref().unwrap());
    let check = async |url: &str| diagnose(setup.command().env("DATABASE_URL", url)).await;

    let closed = TcpProxy::new().port().to_string();
    let unreachable = setup.database_url.replace(&cluster().await.port().to_string(), &closed);
    assert_only(check(&unreachable).await, "failed", "database", "check DATABASE_URL");
    let replica = async |url: &str| diagnose(setup.command().env("DATABASE_READ_URL", url)).await;
    assert_only(replica(&unreachable).await, "warning", "replica", "reads ask the primary");
    assert_only(replica(&setup.database_url).await, "warning", "replica", "is not a standby");
    let mut of_file = setup.command();
    of_file.env("DATABASE_URL", "sqlite://new.db").env("DATABASE_READ_URL", &setup.database_url);
    let (code, lines) = diagnose(&mut of_file).await;
    let is_found = lines.contains("failed   replica      only PostgreSQL has replicas");
    assert!(code == Some(1) && is_found, "{lines}");
    let missing = cluster().await.url("missing");
    assert_only(check(&missing).await, "failed", "database", "database \"missing\" does not exist");
    let mut many = setup.command();
    many.env("STOCKMETER_DATABASE_CONNECTIONS", "1000");
    assert_only(diagnose(&mut many).await, "warning", "connections", "lower STOCKMETER_DATABASE_CONNECTIONS");

    let database = cluster().await.connect("postgres").await;
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    database.execute_unprepared(&read_only).await.unwrap();
    let diagnosis = check(&setup.database_url).await;
    assert_only(diagnosis, "failed", "writes", "default_transaction_read_only is on");
    for sql in [
        "CREATE ROLE doctor_reader LOGIN PASSWORD 'correct-horse'".to_owned(),
        format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    ] {
        database.execute_unprepared(&sql).await.unwrap();
    }
    let grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO doctor_reader";
    cluster().await.connect(name).await.execute_unprepared(grant).await.unwrap();
    let reader = setup.database_url.replace("postgres:correct", "doctor_reader:correct");
    assert_only(check(&reader).await, "failed", "writes", "the role doctor_reader lacks the right");

    let (pooled, _pooler) = PgBouncer::start("transaction").await;
    assert_only(diagnose(&mut pooled.command()).await, "failed", "database", "set its pool mode to session");
}

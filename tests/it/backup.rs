//! `stockmeter backup` and `stockmeter restore` keep everything, on one database and from one to the other.

use std::{convert::Infallible, fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::{Server, Setup, Store, cluster, eventually};

on_both_stores!(
    a_backup_under_load_is_restored_on_both_databases,
    a_backup_is_a_new_private_file,
    a_database_with_rows_is_not_restored,
    ids_are_not_generated_again_after_a_restore,
    subscribers_resync_after_a_restore,
);

/// Runs a command with a file, and returns its exit code, standard output and standard error.
async fn run(setup: &Setup, command: &str, file: &Path) -> (Option<i32>, String, String) {
    let output = setup.command().arg(command).arg(file).output().await.unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, err)
}

/// Runs a command with a file, and returns the digest that it prints.
async fn digest(setup: &Setup, command: &str, file: &Path) -> String {
    let (code, out, err) = run(setup, command, file).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("sha256:") && out.len() == "sha256:\n".len() + 64, "{out}");
    out
}

/// Returns the digest of what the database holds now.
async fn digest_now(setup: &Setup) -> String {
    let folder = tempfile::tempdir().unwrap();
    digest(setup, "backup", &folder.path().join("now")).await
}

async fn create(server: &Server, product: &Value) -> u64 {
    let response = server.post("/products", product.to_string()).await;
    assert_eq!(response.status, 201, "{response:?}");
    response.json()["id"].as_u64().unwrap()
}

fn product() -> Value {
    json!({ "name": "Crème \"brûlée\"\u{2028}", "price": 1.2345, "amount": 1 })
}

/// Creates a product with an idempotency key, in one transaction.
async fn create_once(server: &Server, key: &str) -> Value {
    let request = server.request("POST", "/products").header("idempotency-key", format!("\"{key}\""));
    let body = json!({ "name": "once", "price": 1, "amount": 1 }).to_string();
    let response = server.send(request.header("content-type", "application/json").body(body)).await;
    assert_eq!(response.status, 201, "{response:?}");
    response.json()
}

/// Creates and changes products until it is dropped.
async fn write_forever(server: &Server, client: usize) -> Infallible {
    for round in 0.. {
        create_once(server, &format!("{client}-{round}")).await;
        let pair =
            json!([{ "name": "pair", "price": 1, "amount": 1 }, { "name": "pair", "price": 2, "amount": 1 }]);
        assert_eq!(server.post("/products", pair.to_string()).await.status, 201);
        assert_eq!(server.post("/products/2/stock", r#"{"delta":1}"#).await.status, 200);
    }
    unreachable!()
}

/// Asserts that the backup has one state of the database: each transaction as a whole or not at all.
fn assert_one_state(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let count = |part: &str| text.matches(part).count();
    assert_eq!(count(r#""name":"once""#), count(r#"{"idempotency_key":"#));
    assert_eq!(count(r#""name":"pair""#) % 2, 0);
}

async fn a_backup_under_load_is_restored_on_both_databases(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_ANONYMOUS", "admin").start().await;
    for name in ["first", "second"] {
        let token =
            server.setup.command().args(["token", "create", "--scope", "read", "--name", name]).output();
        assert!(token.await.unwrap().status.success());
    }
    let once = create_once(&server, "first").await;
    for _ in 0..100 {
        let products = Value::from(vec![product(); 20]).to_string();
        assert_eq!(server.post("/products", products).await.status, 201);
    }
    for round in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup");
        let digest_of_backup = tokio::select! {
            digest = digest(&server.setup, "backup", &file) => digest,
            _ = join_all((0..4).map(|client| write_forever(&server, 4 * round + client))) => unreachable!(),
        };
        assert_one_state(&file);
        for restored in [Store::Sqlite, Store::PostgreSql] {
            let setup = Setup::new(restored).await.with("STOCKMETER_ANONYMOUS", "admin");
            assert_eq!(digest(&setup, "restore", &file).await, digest_of_backup, "{restored:?}");
            assert_eq!(digest_now(&setup).await, digest_of_backup, "{restored:?}");
            if round > 0 {
                continue;
            }
            let restored = setup.start().await;
            let products = restored.get("/products").await.json();
            let ids = products.as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap());
            assert!(ids.take(2001).eq(1..=2001), "{products}");
            let (original, copy) = (server.get("/products/3").await, restored.get("/products/3").await);
            assert_eq!((copy.header("etag"), &copy.text), (original.header("etag"), &original.text));
            assert_eq!(create_once(&restored, "first").await, once);
            let tokens =
                async |setup: &Setup| setup.command().args(["token", "list"]).output().await.unwrap().stdout;
            assert_eq!(tokens(&restored.setup).await, tokens(&server.setup).await);
        }
    }
}

async fn a_backup_is_a_new_private_file(store: Store) {
    let server = Server::start(store).await;
    create(&server, &product()).await;
    let file = server.setup.folder.path().join("backup");
    let digest_of_backup = digest(&server.setup, "backup", &file).await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read(&file).unwrap();
    // An existing file is not replaced.
    let (code, _, err) = run(&server.setup, "backup", &file).await;
    assert!(code == Some(1) && err.contains("already exists"), "{err}");
    assert_eq!(fs::read(&file).unwrap(), written);

    // A pipe has the same content, and can be restored.
    let (code, out, err) = run(&server.setup, "backup", Path::new("-")).await;
    assert!(code == Some(0) && err.contains(&digest_of_backup), "{err}");
    let copy = Setup::new(store).await;
    let mut restore = copy.command();
    let restore = restore.args(["restore", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut restore = restore.spawn().unwrap();
    restore.stdin.take().unwrap().write_all(out.as_bytes()).await.unwrap();
    let output = restore.wait_with_output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), digest_of_backup);
}

async fn a_database_with_rows_is_not_restored(store: Store) {
    let source = Server::start(store).await;
    create(&source, &product()).await;
    let file = source.setup.folder.path().join("backup");
    digest(&source.setup, "backup", &file).await;
    for rows in ["a product", "an API token", "a stored response"] {
        let target = Setup::new(store).await.with("STOCKMETER_ANONYMOUS", "admin").start().await;
        match rows {
            "a product" => drop(create(&target, &product()).await),
            "an API token" => {
                let token = target
                    .setup
                    .command()
                    .args(["token", "create", "--scope", "read", "--name", "x"])
                    .output();
                assert!(token.await.unwrap().status.success());
            }
            _ => {
                let id = create_once(&target, "once").await["id"].clone();
                assert_eq!(target.delete(&format!("/products/{id}")).await.status, 204);
            }
        }
        let before = digest_now(&target.setup).await;
        let (code, _, err) = run(&target.setup, "restore", &file).await;
        assert!(err.contains(r#""operation":"restore""#) && err.contains(r#""outcome":"rejected""#), "{err}");
        assert!(code == Some(1) && err.contains("the database is not empty"), "{rows}: {err}");
        assert_eq!(digest_now(&target.setup).await, before, "{rows}");
        assert_eq!(target.post("/products", product().to_string()).await.status, 201);
    }
}

async fn ids_are_not_generated_again_after_a_restore(store: Store) {
    let source = Server::start(store).await;
    for id in 1..=3 {
        assert_eq!(create(&source, &product()).await, id);
    }
    // The client's id does not move the counter.
    create(&source, &json!({ "id": 1000, "name": "x", "price": 1, "amount": 1 })).await;
    assert_eq!(source.delete("/products/3").await.status, 204);
    let file = source.setup.folder.path().join("backup");
    digest(&source.setup, "backup", &file).await;
    for target in [Store::Sqlite, Store::PostgreSql] {
        let target = Setup::new(target).await;
        digest(&target, "restore", &file).await;
        assert_eq!(create(&target.start().await, &product()).await, 4);
    }

    // All products were deleted after the backup, while the server runs.
    create(&source, &product()).await;
    assert_eq!(source.delete("/products?amount=gte.0").await.status, 200);
    digest(&source.setup, "restore", &file).await;
    assert_eq!(create(&source, &product()).await, 5);
    assert_eq!(source.get("/products").await.json().as_array().unwrap().len(), 4);
}

async fn subscribers_resync_after_a_restore(store: Store) {
    let source = Server::start(store).await;
    let file = source.setup.folder.path().join("backup");
    create(&source, &product()).await;
    digest(&source.setup, "backup", &file).await;
    let mut events = source.follow("", "").await;
    let mut cursors = Vec::new();
    for _ in 0..5 {
        create(&source, &product()).await;
        cursors.push(events.next().await.unwrap().id);
    }
    for target in [Store::Sqlite, Store::PostgreSql] {
        let setup = Setup::new(target).await;
        digest(&setup, "restore", &file).await;
        let target = setup.start().await;
        // The same number of other changes follows as after the backup.
        for _ in 0..6 {
            create(&target, &product()).await;
        }
        for cursor in &cursors {
            assert_eq!(target.follow("", cursor).await.next().await.unwrap().kind, "resync", "{cursor}");
        }
    }

    // A subscriber of a server whose database is restored while it runs.
    assert_eq!(source.delete("/products?amount=gte.0").await.status, 200);
    assert_eq!(events.next_kinds(6).await, ["deleted"; 6]);
    digest(&source.setup, "restore", &file).await;
    assert_eq!(events.next().await.unwrap().kind, "resync");
    create(&source, &product()).await;
    assert_eq!(events.next().await.unwrap().kind, "created");
}

/// Neither a database nor a table is created either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_or_incomplete_backup_changes_nothing() {
    let source = Server::start(Store::Sqlite).await;
    create(&source, &product()).await;
    create(&source, &product()).await;
    let file = source.setup.folder.path().join("backup");
    let digest_of_backup = digest(&source.setup, "backup", &file).await;
    let written = fs::read(&file).unwrap();

    let altered = source.setup.folder.path().join("altered");
    let target = Setup::new(Store::Sqlite).await;
    let assert_rejected = async |setup: &Setup, content: &[u8]| {
        fs::write(&altered, content).unwrap();
        let (code, out, err) = run(setup, "restore", &altered).await;
        let shown = String::from_utf8_lossy(content);
        assert!(code == Some(1) && out.is_empty() && err.contains("nothing was restored"), "{err}: {shown}");
    };
    for index in (0..written.len()).step_by(61) {
        let mut flipped = written.clone();
        flipped[index] ^= 1;
        assert_rejected(&target, &flipped).await;
        assert_rejected(&target, &written[..index]).await;
    }
    let text = String::from_utf8(written.clone()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for altered in [
        lines[..lines.len() - 1].concat(),
        [lines[0], lines[1], lines[3]].concat(),
        [lines[0], lines[2], lines[1], lines[3]].concat(),
        text.clone() + "\n",
        text.clone() + &text,
        text.replacen("0.1.0", "0.0.9", 1),
        text.replace("1.2345", "1.23450"),
        text.replace(r#""last_id":2"#, r#""last_id":1"#),
    ] {
        assert_rejected(&target, altered.as_bytes()).await;
    }
    assert_eq!(fs::read_dir(target.folder.path()).unwrap().count(), 0);
    let newer = text.replacen(r#""format_version":1"#, r#""format_version":2"#, 1);
    fs::write(&altered, newer).unwrap();
    assert!(run(&target, "restore", &altered).await.2.contains("restore it with that version"));

    let server = Setup::new(Store::PostgreSql).await;
    assert_rejected(&server, &written[..written.len() / 2]).await;
    let database = cluster().await.connect(server.database.as_deref().unwrap()).await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let tables = database.query_one_raw(Statement::from_string(DbBackend::Postgres, tables)).await.unwrap();
    assert_eq!(tables.unwrap().try_get_by_index(0), Ok(0_i64));

    fs::write(&altered, written).unwrap();
    assert_eq!(digest(&target, "restore", &altered).await, digest_of_backup);
}

#[tokio::test]
async fn a_stopped_backup_leaves_no_file() {
    let server = Server::start(Store::PostgreSql).await;
    let database = cluster().await.connect(server.setup.database.as_deref().unwrap()).await;
    let lock = database.begin().await.unwrap();
    lock.execute_unprepared("LOCK TABLE product").await.unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = server.setup.command();
        let mut backup = command.arg("backup").arg(folder.path().join("backup")).spawn().unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        eventually("the backup has begun", async || names().count() == 1).await;
        let name = names().next().unwrap().into_string().unwrap();
        assert!(name.starts_with(".stockmeter-"), "{name}");
        // The command listens for signals before it creates the file.
        let id = Pid::from_raw(backup.id().unwrap().cast_signed()).unwrap();
        kill_process(id, signal).unwrap();
        assert_eq!(backup.wait().await.unwrap().code(), Some(1));
        assert_eq!(names().count(), 0);
    }
}

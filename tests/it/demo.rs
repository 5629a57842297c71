//! `stockmeter --demo` shows the server with example products, and leaves nothing.

use std::{fs, process::Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Log, NORTHWIND, Setup, Store, binary, http_client, send_signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_products_and_leaves_nothing() {
    let (setup, temporary) = (Setup::new(Store::Sqlite).await, tempfile::tempdir().unwrap());
    // A character that has a meaning in URLs.
    let folder = temporary.path().join("50% off?");
    fs::create_dir(&folder).unwrap();
    let mut command = setup.command();
    command.env("TMPDIR", &folder).args(["--demo", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let log = Log::read_from(server.stderr.take().unwrap());
    let line: Value =
        serde_json::from_str(&log.wait_for_line("demo with a temporary database").await).unwrap();
    let address = line["address"].as_str().unwrap();
    let message = line["message"].as_str().unwrap();
    assert!(message.contains(&format!("open http://{address}/ in a browser")), "{message}");

    let products =
        http_client().build().unwrap().get(format!("http://{address}/products")).send().await.unwrap();
    let products: Value = products.json().await.unwrap();
    assert_eq!(products, serde_json::from_str::<Value>(NORTHWIND).unwrap());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    send_signal(&server, Signal::TERM);
    assert!(server.wait().await.unwrap().success());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(fs::read_dir(setup.folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn only_the_server_has_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path()).args(["--demo", "export", "products.csv"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // It is no setting.
    fs::write(folder.path().join("stockmeter.toml"), "demo = true").unwrap();
    let output =
        binary(folder.path()).args(["--config", "stockmeter.toml", "config"]).output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("unknown setting `demo`"), "{output:?}");
}

//! One log line for each request, with its caller and its client's address.

use serde_json::json;

use crate::harness::{NORTHWIND, Server, Setup, Store};

on_both_stores!(each_request_has_a_line);

async fn start(store: Store, settings: &[(&'static str, &str)]) -> Server {
    let setup = Setup::new(store).await.with("STOCKMETER_ACCESS_LOG", "true");
    settings.iter().fold(setup, |setup, (name, value)| setup.with(name, value)).start().await
}

async fn each_request_has_a_line(store: Store) {
    let server = start(store, &[]).await;
    let post = server.request("POST", "/products").header("x-request-id", "first");
    let created = server.send(post.header("content-type", "application/json").body(NORTHWIND)).await;
    assert_eq!(created.status, 201);
    let line_of_post = server.log.wait_for_request("access", "first").await;
    for (name, expected) in [
        ("level", json!("INFO")),
        ("target", json!("access")),
        ("message", json!("request")),
        ("route", json!("/products")),
        ("status", json!(201)),
        ("received_bytes", json!(NORTHWIND.len())),
        ("sent_bytes", json!(created.text.len())),
    ] {
        assert_eq!(line_of_post[name], expected, "{name} in {line_of_post}");
    }
    let seconds = line_of_post["seconds"].as_f64().unwrap();
    assert!(seconds > 0.0 && seconds < 60.0, "{line_of_post}");
    let span = json!({ "address": "127.0.0.1", "caller": "anonymous", "id": "first", "method": "POST",
        "name": "request", "path": "/products" });
    assert_eq!(line_of_post["span"], span);

    server.send(server.request("GET", "/nowhere").header("x-request-id", "second")).await;
    let line_of_unknown = server.log.wait_for_request("access", "second").await;
    assert_eq!((&line_of_unknown["route"], &line_of_unknown["status"]), (&json!("unmatched"), &json!(404)));
}

#[tokio::test]
async fn the_lines_can_be_disabled() {
    let mut server = start(Store::Sqlite, &[("STOCKMETER_ACCESS_LOG", "false")]).await;
    assert_eq!(server.get("/products").await.status, 200);
    server.signal(rustix::process::Signal::TERM);
    server.wait_for_exit().await;
    let log = server.log.read_to_end().await;
    assert!(log.contains("stopped") && !log.contains(r#""target":"access""#), "{log}");
}

#[tokio::test]
async fn trusted_proxies_report_the_address() {
    let address = async |server: &Server, id: &str| {
        let request = server.request("GET", "/products").header("x-request-id", id);
        let request = request.header("x-forwarded-for", "198.51.100.1, 203.0.113.7");
        server.send(request.header("forwarded", "for=192.0.2.1")).await;
        server.log.wait_for_request("access", id).await["span"]["address"].clone()
    };
    let server = start(Store::Sqlite, &[]).await;
    assert_eq!(address(&server, "direct").await, "127.0.0.1");
    let trusted = ("STOCKMETER_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.0/8");
    let server = start(Store::Sqlite, &[trusted]).await;
    assert_eq!(address(&server, "proxy").await, "203.0.113.7");
    let server = start(Store::Sqlite, &[trusted, ("STOCKMETER_PROXY_HEADER", "forwarded")]).await;
    assert_eq!(address(&server, "forwarded").await, "192.0.2.1");
}

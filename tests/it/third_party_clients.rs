//! Third-party checkers and clients (tests/clients), which `scripts/test` installs from the npm registry.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{
    access::token,
    harness::{Server, Setup, Store, run_script, start_script},
};

on_both_stores!(graphql_over_http_audits_pass, third_party_clients_receive_every_change);

async fn graphql_over_http_audits_pass(store: Store) {
    let server = Server::start(store).await;
    let summary = run_script("audit.mjs", &[&server.url("/graphql")]).await;
    assert!(summary.contains(" ok, 0 warnings, 0 errors"), "{summary}");
}

async fn third_party_clients_receive_every_change(store: Store) {
    let server = Server::start(store).await;
    let mut clients = start_script("changes.mjs", &[&server.url(""), "1000", "60"]);
    let mut lines = BufReader::new(clients.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("subscribed"));
    for round in 0..10 {
        let product = |n: usize| json!({ "id": 1000 + round * 50 + n, "name": "a", "price": 1, "amount": 9 });
        let products: Value = (0..50).map(product).collect();
        server.post("/products", products.to_string()).await;
        for id in (0..40).map(|n| 1000 + round * 50 + n) {
            server.post(&format!("/products/{id}/stock"), r#"{"delta":-1}"#).await;
        }
        for id in (0..10).map(|n| 1000 + round * 50 + n) {
            server.delete(&format!("/products/{id}")).await;
        }
    }
    let mut summary = String::new();
    lines.into_inner().read_to_string(&mut summary).await.unwrap();
    assert!(clients.wait().await.unwrap().success(), "{summary}");
    assert_eq!(summary.matches(r#""ok":true,"changes":1000,"#).count(), 3, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_works_in_a_browser() {
    let server = Server::start(Store::Sqlite).await;
    run_script("console.mjs", &[&server.url("")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_compiler_accepts_the_schema() {
    run_script("relay.mjs", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_works_in_a_browser_without_internet_access() {
    let server = Server::start(Store::Sqlite).await;
    let page = server.get("/graphql").await.text;
    assert!(page.contains("/graphql/playground/"), "compiled without the playground: run scripts/test");
    run_script("browser.mjs", &[&server.url("")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_reference_works_in_a_browser_with_a_token() {
    let setup = Setup::new(Store::Sqlite).await;
    let token = token(&setup, &["create", "--name", "docs", "--scope", "admin"]).await;
    let server = setup.start().await;
    assert_eq!(server.get("/products").await.status, 401);
    run_script("docs.mjs", &[&server.url(""), &token]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_asks_for_a_token_and_names_missing_scopes() {
    let setup = Setup::new(Store::Sqlite).await;
    let reader = token(&setup, &["create", "--name", "reader", "--scope", "read"]).await;
    let writer = token(&setup, &["create", "--name", "writer", "--scope", "write"]).await;
    let server = setup.start().await;
    run_script("console_access.mjs", &[&server.url(""), &reader, &writer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linters_and_generators_accept_the_openapi_document() {
    let server = Server::start(Store::Sqlite).await;
    run_script("openapi.mjs", &[&server.url("")]).await;
}

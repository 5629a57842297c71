//! Optimistic locking: versions as entity tags, conditional requests, partial updates.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Response, Server, Setup, Store};

on_both_stores!(
    every_change_makes_a_new_version,
    only_the_expected_version_is_changed,
    an_unchanged_product_is_not_sent_again,
    put_with_if_none_match_only_creates,
    a_version_can_be_required,
    a_patch_changes_only_the_fields_it_names,
    one_of_many_concurrent_updates_wins,
);

const PRODUCT: &str = r#"{"id":1,"name":"a","price":1.5,"amount":1}"#;

async fn with_tag(server: &Server, method: &str, header: &str, tag: &str, body: &str) -> Response {
    let request = server.request(method, "/products/1").header(header, tag);
    let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    server.send(request.header("content-type", media_type).body(body.to_owned())).await
}

async fn every_change_makes_a_new_version(store: Store) {
    let server = Server::start(store).await;
    let mut tags = vec![server.post("/products", PRODUCT).await.header("etag").to_owned()];
    assert_eq!(server.get("/products/1").await.header("etag"), tags[0]);
    tags.push(server.put("/products/1", PRODUCT).await.header("etag").to_owned());
    tags.push(with_tag(&server, "PATCH", "x-none", "", r#"{"name":"b"}"#).await.header("etag").to_owned());
    tags.push(server.post("/products/1/stock", r#"{"delta":1}"#).await.header("etag").to_owned());
    // A product that is deleted and created again with the same id has a new version.
    server.delete("/products/1").await;
    tags.push(server.post("/products", PRODUCT).await.header("etag").to_owned());
    assert!(tags.iter().all(|tag| tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2), "{tags:?}");
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 5, "{tags:?}");
}

async fn only_the_expected_version_is_changed(store: Store) {
    let server = Server::start(store).await;
    let old = server.post("/products", PRODUCT).await.header("etag").to_owned();
    let current = server.put("/products/1", PRODUCT).await.header("etag").to_owned();
    let weak = format!("W/{current}");
    for (method, body) in [("PUT", PRODUCT), ("PATCH", r#"{"amount":9}"#), ("PATCH", "{}"), ("DELETE", "")] {
        for stale in [&old, &weak, "\"x\"", "\"a,b\", \"c\""] {
            let response = with_tag(&server, method, "if-match", stale, body).await;
            response.is_problem(412, "VERSION_MISMATCH", &[]);
        }
        for malformed in ["", ",", "x", "\"x", "\"x\" \"y\"", "**"] {
            with_tag(&server, method, "if-match", malformed, body).await.is_problem(400, "MALFORMED", &[]);
        }
    }
    assert_eq!(server.get("/products/1").await.header("etag"), current);

    let list = format!(" ,\"x\" ,, {current},");
    let changed = with_tag(&server, "PATCH", "if-match", &list, r#"{"amount":9}"#).await;
    changed.is(200, r#"{"id":1,"name":"a","price":1.5,"amount":9}"#);
    assert_eq!(with_tag(&server, "PUT", "if-match", "*", PRODUCT).await.status, 200);

    let version = server.get("/products/1").await.header("etag").trim_matches('"').to_owned();
    let update = "mutation($version: String) {
        updateProduct(id: 1, input: { name: \"g\" }, expectedVersion: $version) { version } }";
    let response = server.graphql(update, json!({ "version": version })).await;
    let next = &response["data"]["updateProduct"]["version"];
    assert!(next.is_string() && *next != version, "{response}");
    for (version, code) in [(version.as_str(), "VERSION_MISMATCH"), ("1", "INVALID")] {
        let response = server.graphql(update, json!({ "version": version })).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], code);
    }
    assert_eq!(server.get("/products/1").await.header("etag"), format!("\"{}\"", next.as_str().unwrap()));
    assert_eq!(with_tag(&server, "DELETE", "if-match", "*", "").await.status, 204);
    with_tag(&server, "DELETE", "if-match", &current, "").await.is_problem(404, "NOT_FOUND", &[]);
}

async fn an_unchanged_product_is_not_sent_again(store: Store) {
    let server = Server::start(store).await;
    let old = server.post("/products", PRODUCT).await.header("etag").to_owned();
    for tag_list in [old.clone(), format!("W/{old}"), "*".to_owned(), format!("\"x\", {old}")] {
        let response = with_tag(&server, "GET", "if-none-match", &tag_list, "").await;
        response.is(304, "");
        assert_eq!(response.header("etag"), old);
    }
    with_tag(&server, "GET", "if-none-match", &old.to_uppercase(), "").await.is(200, PRODUCT);
    with_tag(&server, "GET", "if-match", &old, "").await.is(200, PRODUCT);
    server.put("/products/1", PRODUCT).await;
    with_tag(&server, "GET", "if-none-match", &old, "").await.is(200, PRODUCT);
    with_tag(&server, "GET", "if-match", &old, "").await.is_problem(412, "VERSION_MISMATCH", &[]);
    // These methods do not support `If-None-Match`. The server rejects the header instead of ignoring it.
    for (method, body) in [("PATCH", "{}"), ("DELETE", "")] {
        with_tag(&server, method, "if-none-match", "*", body).await.is_problem(400, "MALFORMED", &[]);
    }
}

async fn put_with_if_none_match_only_creates(store: Store) {
    let server = Server::start(store).await;
    let created =
        with_tag(&server, "PUT", "if-none-match", "*", r#"{"name":"a","price":1.5,"amount":1}"#).await;
    created.is(201, PRODUCT);
    assert_eq!(created.header("location"), "/products/1");
    with_tag(&server, "PUT", "if-none-match", "*", PRODUCT).await.is_problem(412, "VERSION_MISMATCH", &[]);
    let tag = created.header("etag");
    with_tag(&server, "PUT", "if-none-match", tag, PRODUCT).await.is_problem(400, "MALFORMED", &[]);
    let both = server.request("PUT", "/products/9").header("if-none-match", "*").header("if-match", "*");
    let both = both.header("content-type", "application/json");
    server.send(both.body(r#"{"name":"a","price":1,"amount":1}"#)).await.is_problem(400, "MALFORMED", &[]);
    let other_id = PRODUCT.replace("\"id\":1", "\"id\":2");
    with_tag(&server, "PUT", "if-none-match", "*", &other_id).await.is_problem(422, "INVALID", &["/id"]);
}

async fn a_version_can_be_required(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_REQUIRE_IF_MATCH", "true").start().await;
    let tag = server.post("/products", PRODUCT).await.header("etag").to_owned();
    for (method, body) in [("PUT", PRODUCT), ("PATCH", "{}"), ("DELETE", "")] {
        with_tag(&server, method, "x-none", "", body).await.is_problem(428, "VERSION_REQUIRED", &[]);
        server.post("/products/1/stock", r#"{"delta":1}"#).await.is_problem(428, "VERSION_REQUIRED", &[]);
    }
    let response = server.graphql("mutation { deleteProduct(id: 1) { id } }", json!({})).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "VERSION_REQUIRED");
    assert_eq!(with_tag(&server, "PUT", "if-match", &tag, PRODUCT).await.status, 200);
    assert_eq!(with_tag(&server, "DELETE", "if-match", "*", "").await.status, 204);
    assert_eq!(with_tag(&server, "PUT", "if-none-match", "*", PRODUCT).await.status, 201);
}

async fn a_patch_changes_only_the_fields_it_names(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", PRODUCT).await;
    let patch = async |body: &str| with_tag(&server, "PATCH", "x-none", "", body).await;
    patch(r#"{"price":2.25}"#).await.is(200, r#"{"id":1,"name":"a","price":2.25,"amount":1}"#);
    patch(r#"{"id":1,"amount":7,"name":"b"}"#)
        .await
        .is(200, r#"{"id":1,"name":"b","price":2.25,"amount":7}"#);
    let tag = server.get("/products/1").await.header("etag").to_owned();
    let unchanged = patch("{}").await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (200, tag.as_str()));
    patch(r#"{"id":2}"#).await.is_problem(422, "INVALID", &["/id"]);
    patch(r#"{"name":null,"price":-1}"#).await.is_problem(422, "INVALID", &["/name", "/price"]);
    patch("[]").await.is_problem(422, "INVALID", &[""]);
    patch("{").await.is_problem(400, "MALFORMED", &[]);
    server.delete("/products/1").await;
    patch(r#"{"amount":1}"#).await.is_problem(404, "NOT_FOUND", &[]);
}

async fn one_of_many_concurrent_updates_wins(store: Store) {
    let server = Server::start(store).await;
    let mut tag = server.post("/products", PRODUCT).await.header("etag").to_owned();
    for _ in 0..5 {
        let change = |amount: usize| {
            let body = json!({ "amount": amount }).to_string();
            let (server, tag) = (&server, &tag);
            async move { with_tag(server, "PATCH", "if-match", tag, &body).await }
        };
        let responses = join_all((0..16).map(change)).await;
        let (won, lost): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 15));
        let stored: Value = server.get("/products/1").await.json();
        assert_eq!(won[0].json(), stored);
        won[0].header("etag").clone_into(&mut tag);
    }
}

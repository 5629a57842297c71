//! `Idempotency-Key`: a request that is sent again runs once, and each repetition gets the first response.

use futures_util::future::{Either, join_all, select};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, TransactionTrait};

use crate::harness::{Response, Server, Setup, Store, eventually};

on_both_stores!(
    stored_responses_are_limited,
    a_rejected_file_stores_nothing,
    repeats_of_a_finished_request_get_its_response,
    a_retry_gets_the_first_response,
    error_responses_are_replayed_too,
    a_key_reused_for_another_request_is_rejected,
    keys_survive_a_crash_and_apply_to_other_instances,
    concurrent_requests_with_one_key_run_once,
    expired_keys_are_deleted,
    every_changing_method_runs_once,
    a_product_is_created_once_with_put,
    rejected_changes_are_replayed,
    a_fingerprint_covers_the_whole_request,
    a_repeat_is_rejected_while_the_first_request_runs,
    safe_methods_ignore_the_key,
    a_key_belongs_to_its_caller,
);

async fn send(server: &Server, path: &str, key: &str, media_type: &str, body: &str) -> Response {
    let request =
        server.request("POST", path).header("idempotency-key", key).header("content-type", media_type);
    server.send(request.body(body.to_owned())).await
}

async fn post(server: &Server, key: &str, body: &str) -> Response {
    send(server, "/products", key, "application/json", body).await
}

/// Sends a request of any method with a key and other headers.
async fn send_with(
    server: &Server,
    (method, path, body): (&str, &str, &str),
    headers: &[(&str, &str)],
    key: &str,
) -> Response {
    let request = server.request(method, path).header("idempotency-key", key);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    // Only requests with a body have its media type.
    if body.is_empty() {
        return server.send(request).await;
    }
    server.send(request.header("content-type", "application/json").body(body.to_owned())).await
}

/// Asserts that a response is the replay of another one.
#[track_caller]
pub fn assert_replayed(again: &Response, first: &Response) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    for header in ["etag", "location", "content-type", "content-length", "preference-applied", "vary"] {
        assert_eq!(again.headers.get(header), first.headers.get(header), "{header}");
    }
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
}

/// Blocks all changes of existing products until the transaction ends.
pub async fn lock_products(server: &Server) -> DatabaseTransaction {
    let transaction = server.direct_connection().await.begin().await.unwrap();
    transaction.execute_unprepared("UPDATE product SET amount = amount").await.unwrap();
    transaction
}

const LAPTOP: &str = r#"{"name":"Laptop","price":999.99,"amount":10}"#;

async fn a_retry_gets_the_first_response(store: Store) {
    let server = Server::start(store).await;
    let array = format!("[{LAPTOP},{LAPTOP}]");
    server.post("/products", r#"{"id":1000,"name":"a","price":1,"amount":10}"#).await;
    for (path, media_type, body) in [
        ("/products", "application/json", LAPTOP),
        ("/products", "application/json", &array),
        ("/products", "text/csv", "name,price,amount\r\nLaptop,1,1\r\n"),
        ("/products", "application/x-ndjson", LAPTOP),
        ("/products/1000/stock", "application/json", r#"{"delta":-3}"#),
    ] {
        let key = format!("{media_type}-{}", body.len());
        let first = send(&server, path, &key, media_type, body).await;
        assert!(first.status < 300, "{first:?}");
        let listed = server.get("/products").await.text;
        // The IETF draft requires quotes around a key. The server treats both forms as the same key.
        let again = send(&server, path, &format!("\"{key}\""), media_type, body).await;
        assert_replayed(&again, &first);
        assert_eq!(server.get("/products").await.text, listed);
    }
}

async fn error_responses_are_replayed_too(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":2}"#).await;
    let adjustment = r#"{"delta":-3}"#;
    let rejected = send(&server, "/products/1/stock", "k", "application/json", adjustment).await;
    rejected.is_problem(409, "INSUFFICIENT_STOCK", &[]);
    server.post("/products/1/stock", r#"{"delta":5}"#).await;
    let again = send(&server, "/products/1/stock", "k", "application/json", adjustment).await;
    again.is_problem(409, "INSUFFICIENT_STOCK", &[]);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(server.get("/products/1").await.json()["amount"], 7);

    let taken = r#"[{"name":"b","price":1,"amount":1},{"id":1,"name":"c","price":1,"amount":1}]"#;
    post(&server, "array", taken).await.is_problem(409, "DUPLICATE_ID", &["/1/id"]);
    server.delete("/products/1").await;
    post(&server, "array", taken).await.is_problem(409, "DUPLICATE_ID", &["/1/id"]);
    server.get("/products").await.is(200, "[]");
}

async fn a_key_reused_for_another_request_is_rejected(store: Store) {
    let server = Server::start(store).await;
    post(&server, "k", LAPTOP).await;
    post(&server, "k", "{}").await.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
    let merge = server.request("POST", "/products").header("idempotency-key", "k");
    let merge =
        merge.header("content-type", "application/json").header("prefer", "resolution=merge-duplicates");
    server.send(merge.body(LAPTOP)).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
    let adjustment = send(&server, "/products/1/stock", "k", "application/json", LAPTOP).await;
    adjustment.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
    for bad in ["", " ", "a b", "a\"b", "\"a", "\"\"", &"k".repeat(256)] {
        post(&server, bad, LAPTOP).await.is_problem(422, "INVALID", &["/Idempotency-Key"]);
    }
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1);
}

async fn keys_survive_a_crash_and_apply_to_other_instances(store: Store) {
    let server = Server::start(store).await;
    let first = post(&server, "k", LAPTOP).await;
    let server = server.kill_and_restart().await;
    let other = server.setup.clone().start().await;
    for server in [&server, &other] {
        let again = post(server, "k", LAPTOP).await;
        assert_eq!((again.text.as_str(), again.header("idempotent-replayed")), (first.text.as_str(), "true"));
    }
    assert_eq!(other.get("/products").await.json().as_array().unwrap().len(), 1);
}

async fn concurrent_requests_with_one_key_run_once(store: Store) {
    let server = Server::start(store).await;
    let other = server.setup.clone().start().await;
    for round in 0..10 {
        let key = format!("k{round}");
        let request =
            |client: usize| post(if client.is_multiple_of(2) { &server } else { &other }, &key, LAPTOP);
        let responses = join_all((0..16).map(request)).await;
        let (mut first, mut replayed) = (0, 0);
        for response in &responses {
            match (response.status, response.header("idempotent-replayed")) {
                (201, "") => first += 1,
                (201, "true") => replayed += 1,
                _ => response.is_problem(409, "IDEMPOTENCY_KEY_IN_USE", &[]),
            }
        }
        assert_eq!(first, 1, "{replayed} {responses:?}");
    }
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 10);
}

async fn expired_keys_are_deleted(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDEMPOTENCY_RETENTION", "1h").start().await;
    let database = server.direct_connection().await;
    let age = async |seconds: u64| {
        let sql = format!("UPDATE idempotency_key SET created_at = created_at - {seconds}");
        database.execute_unprepared(&sql).await.unwrap();
    };
    post(&server, "k", LAPTOP).await;
    age(3000).await;
    assert_eq!(post(&server, "k", LAPTOP).await.header("idempotent-replayed"), "true");
    age(601).await;
    // An expired key can be used for a new request, whose response is kept for the whole retention time.
    assert_eq!(post(&server, "k", "[]").await.text, "[]");
    assert_eq!(post(&server, "k", "[]").await.header("idempotent-replayed"), "true");

    age(3601).await;
    let _server = server.kill_and_restart().await;
    let select = "SELECT 1 AS one FROM idempotency_key";
    let select = Statement::from_string(database.get_database_backend(), select);
    eventually("a new server deletes expired keys", async || {
        database.query_one_raw(select.clone()).await.unwrap().is_none()
    })
    .await;
}

async fn a_rejected_file_stores_nothing(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":5000,"name":"x","price":1,"amount":1}"#).await;
    let rows: String = (1..=5000).map(|id| format!("{id},x,1,1\r\n")).collect();
    let csv = format!("id,name,price,amount\r\n{rows}");
    for replayed in [false, true] {
        let request = server.request("POST", "/products").header("content-type", "text/csv");
        let response = server.send(request.header("idempotency-key", "file").body(csv.clone())).await;
        response.is_problem(409, "DUPLICATE_ID", &["/id"]);
        assert_eq!(response.headers.contains_key("idempotent-replayed"), replayed);
    }
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1);
}

async fn repeats_of_a_finished_request_get_its_response(store: Store) {
    let server = Server::start(store).await;
    let create = || {
        let request = server.request("POST", "/products").header("content-type", "application/json");
        server.send(request.header("idempotency-key", "one").body(r#"{"name":"x","price":1,"amount":1}"#))
    };
    let first = create().await;
    let repeats = join_all((0..20).map(|_| create())).await;
    assert!(repeats.iter().all(|repeat| (repeat.status, &repeat.text) == (201, &first.text)), "{repeats:?}");
}

async fn every_changing_method_runs_once(store: Store) {
    let server = Server::start(store).await;
    let products: Vec<String> =
        (1..=6).map(|id| format!(r#"{{"id":{id},"name":"a","price":1,"amount":1}}"#)).collect();
    server.post("/products", format!("[{}]", products.join(","))).await;
    let changed = r#"{"name":"b","price":2.5,"amount":2}"#;
    let changed_many =
        r#"[{"id":2,"name":"c","price":3,"amount":3},{"id":3,"name":"c","price":3,"amount":3}]"#;
    for (request, expected) in [
        (("PUT", "/products/1", changed), (200, r#"{"id":1,"name":"b","price":2.5,"amount":2}"#)),
        (("PATCH", "/products/1", r#"{"amount":7}"#), (200, r#"{"id":1,"name":"b","price":2.5,"amount":7}"#)),
        (
            ("PUT", "/products", changed_many),
            (
                200,
                r#"[{"id":2,"name":"c","price":3.0,"amount":3},{"id":3,"name":"c","price":3.0,"amount":3}]"#,
            ),
        ),
        (("DELETE", "/products?id=in.4,5", ""), (200, r#"{"deleted":2}"#)),
        (("DELETE", "/products/6", ""), (204, "")),
    ] {
        let key = format!("{}-{}", request.0, request.1.len());
        let first = send_with(&server, request, &[], &key).await;
        first.is(expected.0, expected.1);
        // A request that ran again would change the versions, or find no products to delete.
        let version = async || server.get("/products/1").await.header("etag").to_owned();
        let (stored, listed) = (version().await, server.get("/products").await.text);
        assert_replayed(&send_with(&server, request, &[], &key).await, &first);
        assert_eq!((version().await, server.get("/products").await.text), (stored, listed));
    }
    let restarted = server.kill_and_restart().await;
    let again = send_with(&restarted, ("DELETE", "/products/6", ""), &[], "DELETE-11").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (204, "true"));
}

async fn a_product_is_created_once_with_put(store: Store) {
    let server = Server::start(store).await;
    let (create, create_only) = (("PUT", "/products/7", LAPTOP), [("if-none-match", "*")]);
    let first = send_with(&server, create, &create_only, "k").await;
    assert_eq!((first.status, first.header("location")), (201, "/products/7"));
    assert_replayed(&send_with(&server, create, &create_only, "k").await, &first);
    // Without its precondition, it is a different request.
    send_with(&server, create, &[], "k").await.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
    assert_eq!(server.get("/products/7").await.header("etag"), first.header("etag"));

    let exists = send_with(&server, create, &create_only, "other").await;
    exists.is_problem(412, "VERSION_MISMATCH", &[]);
    server.delete("/products/7").await;
    let again = send_with(&server, create, &create_only, "other").await;
    again.is_problem(412, "VERSION_MISMATCH", &[]);
    assert_eq!(again.json()["detail"], exists.json()["detail"]);
}

async fn rejected_changes_are_replayed(store: Store) {
    let server = Server::start(store).await;
    let one = r#"[{"id":1,"name":"a","price":1,"amount":1}]"#;
    for (request, status, code, pointers) in [
        (("PUT", "/products/1", LAPTOP), 404, "NOT_FOUND", &[][..]),
        (("PATCH", "/products/1", r#"{"price":-1}"#), 422, "INVALID", &["/price"]),
        (("PUT", "/products", one), 404, "NOT_FOUND", &["/0/id"]),
        (("DELETE", "/products", ""), 422, "INVALID", &["/id"]),
        (("DELETE", "/products/1", ""), 404, "NOT_FOUND", &[]),
    ] {
        let key = format!("{}-{}", request.0, request.1.len());
        send_with(&server, request, &[], &key).await.is_problem(status, code, pointers);
        server.post("/products", one).await;
        let again = send_with(&server, request, &[], &key).await;
        again.is_problem(status, code, pointers);
        assert_eq!(again.header("idempotent-replayed"), "true");
        server.delete("/products/1").await;
    }
}

async fn a_fingerprint_covers_the_whole_request(store: Store) {
    let server = Server::start(store).await;
    let created = server.post("/products", LAPTOP).await;
    let version = [("if-match", created.header("etag"))];
    let patch = ("PATCH", "/products/1", r#"{"amount":3}"#);
    assert_eq!(send_with(&server, patch, &version, "k").await.status, 200);
    for (request, headers) in [
        (("PATCH", "/products/1", r#"{"amount":4}"#), &version[..]),
        (("PATCH", "/products/2", r#"{"amount":3}"#), &version),
        (patch, &[]),
        (("PUT", "/products/1", LAPTOP), &[]),
        (("PUT", "/products", "[]"), &[]),
        (("DELETE", "/products/1", ""), &[]),
        (("DELETE", "/products?id=eq.1", ""), &[]),
    ] {
        let response = send_with(&server, request, headers, "k").await;
        response.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
    }
    // The first request is still valid, although its precondition no longer holds.
    assert_eq!(send_with(&server, patch, &version, "k").await.header("idempotent-replayed"), "true");
    for request in [patch, ("DELETE", "/products/1", ""), ("PUT", "/products/1", LAPTOP)] {
        send_with(&server, request, &[], "a b").await.is_problem(422, "INVALID", &["/Idempotency-Key"]);
        let twice = send_with(&server, request, &[("idempotency-key", "a")], "b").await;
        twice.is_problem(400, "MALFORMED", &[]);
    }
    assert_eq!(server.get("/products/1").await.json()["amount"], 3);
}

async fn a_repeat_is_rejected_while_the_first_request_runs(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", LAPTOP).await;
    for request in [("PATCH", "/products/1", r#"{"amount":3}"#), ("DELETE", "/products/1", "")] {
        let lock = lock_products(&server).await;
        let send = || Box::pin(send_with(&server, request, &[], request.0));
        // One of the two requests waits for the lock, so the other one finds it in progress.
        let (Either::Left((rejected, first)) | Either::Right((rejected, first))) =
            select(send(), send()).await;
        rejected.is_problem(409, "IDEMPOTENCY_KEY_IN_USE", &[]);
        lock.rollback().await.unwrap();
        let first = first.await;
        assert!(first.status < 300, "{first:?}");
        assert_replayed(&send().await, &first);
    }
}

async fn safe_methods_ignore_the_key(store: Store) {
    let server = Server::start(store).await;
    for key in ["k", "not valid"] {
        send_with(&server, ("GET", "/products", ""), &[], key).await.is(200, "[]");
        send_with(&server, ("GET", "/products/1", ""), &[], key).await.is_problem(404, "NOT_FOUND", &[]);
    }
    assert_eq!(post(&server, "k", LAPTOP).await.status, 201);
    assert_eq!(send_with(&server, ("GET", "/products/1", ""), &[], "k").await.status, 200);
}

async fn a_key_belongs_to_its_caller(store: Store) {
    let setup = Setup::new(store).await;
    let mut tokens = Vec::new();
    for name in ["a", "b"] {
        tokens.push(crate::access::token(&setup, &["create", "--name", name, "--scope", "write"]).await);
    }
    let server = setup.start().await;
    let create = async |token: &str| {
        let request = server.request("POST", "/products").bearer_auth(token).header("idempotency-key", "k");
        server
            .send(
                request
                    .header("content-type", "application/json")
                    .body(r#"{"name":"Lamp","price":1,"amount":1}"#),
            )
            .await
    };
    let (first, second) = (create(&tokens[0]).await, create(&tokens[1]).await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.text, second.text);
    assert_eq!(create(&tokens[0]).await.text, first.text);
    assert_eq!(create(&tokens[1]).await.header("idempotent-replayed"), "true");
}

async fn stored_responses_are_limited(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDEMPOTENCY_SPACE", 4096).start().await;
    let product = r#"{"name":"a","price":1,"amount":1}"#;
    for key in ["1", "2", "3", "4"] {
        assert_eq!(post(&server, key, product).await.status, 201);
    }
    let rejected = post(&server, "5", product).await;
    rejected.is_problem(503, "OVERLOADED", &[]);
    assert!(rejected.header("retry-after").parse::<u32>().is_ok(), "{rejected:?}");
    // It has no effect. Earlier responses are still found, and requests without a key work.
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 4);
    assert_eq!(post(&server, "4", product).await.header("idempotent-replayed"), "true");
    assert_eq!(server.post("/products", product).await.status, 201);
    let mutation = r#"{"query":"mutation { deleteProduct(id: 1) { id } }"}"#;
    let rejected = send(&server, "/graphql", "6", "application/json", mutation).await;
    rejected.is_graphql_error(503, "OVERLOADED");
    assert_eq!(server.get("/products/1").await.status, 200);
    let series = r#"http_rejections_total{limit="stored_responses",party="everyone"}"#;
    assert_eq!(server.metric(series).await, Some(2.0));
}

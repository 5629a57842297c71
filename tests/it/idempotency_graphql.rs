//! `Idempotency-Key` of GraphQL mutations: one key covers a whole request.

use futures_util::future::{Either, join_all, select};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    harness::{Response, Server, Setup, Store, eventually},
    idempotency::{assert_replayed, lock_products},
};

on_both_stores!(
    a_mutation_runs_once,
    every_mutation_can_have_a_key,
    partial_results_are_replayed,
    a_key_covers_document_operation_and_variables,
    a_persisted_document_is_the_same_as_its_text,
    a_repeat_is_rejected_while_the_first_mutation_runs,
    concurrent_mutations_with_one_key_run_once,
    a_mutation_that_times_out_has_no_effect,
    a_server_error_undoes_all_mutations,
    queries_ignore_the_key,
    requests_that_a_key_cannot_protect_are_rejected,
);

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

async fn send(server: &Server, key: &str, accept: &str, body: &Value) -> Response {
    let request = server.request("POST", "/graphql").header("idempotency-key", key).header("accept", accept);
    server.send(request.header("content-type", "application/json").body(body.to_string())).await
}

/// Sends a document without variables.
async fn execute(server: &Server, key: &str, document: &str) -> Response {
    send(server, key, GRAPHQL, &json!({ "query": document })).await
}

const CREATE: &str = r#"mutation { createProduct(input: {name: "a", price: 1, amount: 1}) { id version } }"#;

async fn create_products(server: &Server) {
    let products: Vec<Value> =
        (1..=9).map(|id| json!({ "id": id, "name": "a", "price": 1, "amount": 5 })).collect();
    assert_eq!(server.post("/products", Value::from(products).to_string()).await.status, 201);
}

async fn a_mutation_runs_once(store: Store) {
    let server = Server::start(store).await;
    for (key, accept) in [("a", JSON), ("b", GRAPHQL)] {
        let create = json!({ "query": CREATE });
        let first = send(&server, key, accept, &create).await;
        assert_eq!((first.status, first.header("content-type")), (200, accept));
        assert_eq!(first.json()["errors"], Value::Null);
        assert_replayed(&send(&server, &format!("\"{key}\""), accept, &create).await, &first);
    }
    let server = server.kill_and_restart().await;
    assert_eq!(execute(&server, "a", CREATE).await.header("idempotent-replayed"), "true");
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 2);
    // REST and GraphQL share the keys.
    let rest = server
        .request("POST", "/products")
        .header("idempotency-key", "a")
        .header("content-type", "application/json")
        .body("[]");
    server.send(rest).await.is_problem(422, "IDEMPOTENCY_KEY_REUSED", &[]);
}

async fn every_mutation_can_have_a_key(store: Store) {
    let server = Server::start(store).await;
    create_products(&server).await;
    for (index, field) in [
        r#"createProduct(input: {name: "b", price: 1, amount: 1}) { id version }"#,
        r#"createProducts(inputs: [{name: "b", price: 1, amount: 1}]) { id version }"#,
        r#"upsertProducts(inputs: [{id: 1, name: "b", price: 1, amount: 1}]) { id version }"#,
        r#"updateProduct(id: 2, input: {price: "2.5"}) { version price }"#,
        r#"replaceProducts(inputs: [{id: 3, name: "b", price: 1, amount: 1}]) { id version }"#,
        "adjustStock(id: 4, delta: -2) { amount version }",
        "deleteProduct(id: 5) { id version }",
        "deleteProducts(filter: {id: {in: [6, 7]}})",
    ]
    .into_iter()
    .enumerate()
    {
        let (key, document) = (index.to_string(), format!("mutation {{ {field} }}"));
        let first = execute(&server, &key, &document).await;
        assert_eq!((first.status, &first.json()["errors"]), (200, &Value::Null), "{field}");
        let versions = "{ products { nodes { id version } } }";
        let stored = server.graphql(versions, json!({})).await;
        assert_replayed(&execute(&server, &key, &document).await, &first);
        assert_eq!(server.graphql(versions, json!({})).await, stored, "{field}");
    }
}

/// A mutation sees the changes of those before it. One that fails does not undo the others.
async fn partial_results_are_replayed(store: Store) {
    let server = Server::start(store).await;
    create_products(&server).await;
    let document = "mutation {
        sold: adjustStock(id: 1, delta: -3) { amount }
        unknown: adjustStock(id: 100, delta: 1) { amount }
        missing: replaceProducts(inputs: [{id: 2, name: \"b\", price: 1, amount: 0},
            {id: 100, name: \"b\", price: 1, amount: 0}]) { id }
        tooMany: adjustStock(id: 1, delta: -3) { amount }
        created: createProduct(input: {id: 100, name: \"b\", price: 1, amount: 1}) { id }
        taken: createProduct(input: {id: 100, name: \"b\", price: 1, amount: 1}) { id }
        deleted: deleteProducts(filter: {id: {in: [100, 3]}})
    }";
    let first = execute(&server, "k", document).await;
    assert_eq!(first.status, 200);
    let data = json!({ "sold": { "amount": 2 }, "unknown": null, "missing": null, "tooMany": null,
        "created": { "id": "100" }, "taken": null, "deleted": 2 });
    assert_eq!(first.json()["data"], data);
    let errors = first.json()["errors"].as_array().unwrap().clone();
    let codes: Vec<_> = errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["NOT_FOUND", "NOT_FOUND", "INSUFFICIENT_STOCK", "DUPLICATE_ID"]);
    let listed = server.get("/products").await.text;
    assert_replayed(&execute(&server, "k", document).await, &first);
    assert_eq!(server.get("/products").await.text, listed);
    assert!(
        listed.starts_with(r#"[{"id":1,"name":"a","price":1.0,"amount":2},{"id":2,"name":"a""#),
        "{listed}"
    );

    // An invalid document is replayed, too.
    let first = execute(&server, "invalid", "mutation { nothing }").await;
    first.is_graphql_error(400, "INVALID");
    assert_replayed(&execute(&server, "invalid", "mutation { nothing }").await, &first);
}

async fn a_key_covers_document_operation_and_variables(store: Store) {
    let server = Server::start(store).await;
    create_products(&server).await;
    let document = "mutation A($delta: Int!) { adjustStock(id: 1, delta: $delta) { amount } }
        mutation B($delta: Int!) { adjustStock(id: 2, delta: $delta) { amount } }";
    let request = |document: &str, operation: &str, delta: i32| json!({ "query": document, "operationName": operation, "variables": { "delta": delta } });
    let first = send(&server, "k", JSON, &request(document, "A", 1)).await;
    first.is(200, r#"{"data":{"adjustStock":{"amount":6}}}"#);
    let longer = format!("{document} ");
    for other in [request(document, "A", 2), request(document, "B", 1), request(&longer, "A", 1)] {
        for accept in [JSON, GRAPHQL] {
            let response = send(&server, "k", accept, &other).await;
            response.is_graphql_error(422, "IDEMPOTENCY_KEY_REUSED");
        }
    }
    assert_replayed(&send(&server, "k", JSON, &request(document, "A", 1)).await, &first);
    assert_eq!(server.get("/products/2").await.json()["amount"], 5);
    let rejected =
        r#"graphql_requests_total{operation_name="_OTHER",operation_type="mutation",outcome="rejected"}"#;
    assert_eq!(server.metric(rejected).await, Some(6.0));
    assert_eq!(server.metric(r#"graphql_errors_total{code="IDEMPOTENCY_KEY_REUSED"}"#).await, Some(6.0));
}

async fn a_persisted_document_is_the_same_as_its_text(store: Store) {
    let server = Server::start(store).await;
    let hash: String = Sha256::digest(CREATE).iter().map(|byte| format!("{byte:02X}")).collect();
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let by_hash = json!({ "extensions": extensions });
    let with_text = json!({ "query": CREATE, "extensions": extensions });
    let unknown = send(&server, "k", JSON, &by_hash).await;
    unknown.is_graphql_error(200, "PERSISTED_QUERY_NOT_FOUND");
    let first = send(&server, "k", JSON, &with_text).await;
    for again in [&by_hash, &with_text, &json!({ "query": CREATE })] {
        assert_replayed(&send(&server, "k", JSON, again).await, &first);
    }
}

async fn a_repeat_is_rejected_while_the_first_mutation_runs(store: Store) {
    let server = Server::start(store).await;
    create_products(&server).await;
    let lock = lock_products(&server).await;
    let send = || Box::pin(execute(&server, "k", "mutation { adjustStock(id: 1, delta: 1) { amount } }"));
    // One of the two requests waits for the lock, so the other one finds it in progress.
    let (Either::Left((rejected, first)) | Either::Right((rejected, first))) = select(send(), send()).await;
    rejected.is_graphql_error(409, "IDEMPOTENCY_KEY_IN_USE");
    lock.rollback().await.unwrap();
    let first = first.await;
    first.is(200, r#"{"data":{"adjustStock":{"amount":6}}}"#);
    assert_replayed(&send().await, &first);
}

async fn concurrent_mutations_with_one_key_run_once(store: Store) {
    let server = Server::start(store).await;
    let other = server.setup.clone().start().await;
    let request =
        |client: usize| execute(if client.is_multiple_of(2) { &server } else { &other }, "k", CREATE);
    for response in join_all((0..16).map(request)).await {
        if response.status != 200 {
            response.is_graphql_error(409, "IDEMPOTENCY_KEY_IN_USE");
        }
    }
    assert_eq!(execute(&other, "k", CREATE).await.header("idempotent-replayed"), "true");
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1);
}

async fn a_mutation_that_times_out_has_no_effect(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_GRAPHQL_TIMEOUT", "200ms").start().await;
    create_products(&server).await;
    let document = r#"mutation {
        createProduct(input: {id: 100, name: "b", price: 1, amount: 1}) { id }
        adjustStock(id: 1, delta: 1) { amount }
    }"#;
    let lock = lock_products(&server).await;
    let response = execute(&server, "k", document).await;
    response.is_graphql_error(503, "TIMEOUT");
    assert_eq!(server.metric(r#"graphql_errors_total{code="TIMEOUT"}"#).await, Some(1.0));
    lock.rollback().await.unwrap();
    assert_eq!(server.get("/products/100").await.status, 404);
    // The database may still be ending the first transaction.
    eventually("the mutation can be sent again", async || {
        let again = execute(&server, "k", document).await;
        again.status == 200 && again.header("idempotent-replayed").is_empty()
    })
    .await;
    let again = execute(&server, "k", document).await;
    again.is(200, r#"{"data":{"createProduct":{"id":"100"},"adjustStock":{"amount":6}}}"#);
    assert_eq!(again.header("idempotent-replayed"), "true");
}

async fn a_server_error_undoes_all_mutations(store: Store) {
    let server = Server::start(store).await;
    create_products(&server).await;
    let database = server.direct_connection().await;
    let (create_trigger, drop_trigger, status, code) = match store {
        Store::Sqlite => (
            "CREATE TRIGGER reject BEFORE UPDATE ON product WHEN old.id = 1
                BEGIN SELECT RAISE(ABORT, 'rejected'); END",
            "DROP TRIGGER reject",
            500,
            "INTERNAL",
        ),
        Store::PostgreSql => (
            "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN IF old.id = 1 THEN RAISE EXCEPTION 'rejected'; END IF; RETURN new; END $$;
                CREATE TRIGGER reject BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION reject()",
            "DROP TRIGGER reject ON product",
            503,
            "UNAVAILABLE",
        ),
    };
    database.execute_unprepared(create_trigger).await.unwrap();
    let document = json!({ "query": r#"mutation {
        created: createProduct(input: {id: 100, name: "b", price: 1, amount: 1}) { id }
        missing: deleteProduct(id: 200) { id }
        failed: adjustStock(id: 1, delta: 1) { amount }
    }"# });
    for (accept, status) in [(GRAPHQL, status), (JSON, 200)] {
        let response = send(&server, "k", accept, &document).await;
        response.is_graphql_error(status, code);
        assert_eq!(response.json()["errors"].as_array().unwrap().len(), 1, "{response:?}");
        assert_eq!(server.get("/products/100").await.status, 404);
    }
    database.execute_unprepared(drop_trigger).await.unwrap();
    let first = send(&server, "k", JSON, &document).await;
    let data = json!({ "created": { "id": "100" }, "missing": null, "failed": { "amount": 6 } });
    assert_eq!(first.json()["data"], data);
    assert_replayed(&send(&server, "k", JSON, &document).await, &first);
}

async fn queries_ignore_the_key(store: Store) {
    let server = Server::start(store).await;
    for document in ["{ product(id: 1) { id } }", "{ __typename product(id: 1) { id } }"] {
        let before = execute(&server, "k", document).await;
        assert_eq!((before.status, &before.json()["data"]["product"]), (200, &Value::Null));
        server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
        for key in ["k", "not valid"] {
            let after = execute(&server, key, document).await;
            assert_eq!(after.json()["data"]["product"], json!({ "id": "1" }));
            assert_eq!(after.header("idempotent-replayed"), "");
        }
        server.delete("/products/1").await;
    }
    let events = send(&server, "k", "text/event-stream", &json!({ "query": "{ __typename }" })).await;
    assert_eq!((events.status, events.header("content-type")), (200, "text/event-stream"));
    // The key is still unused.
    assert_eq!(execute(&server, "k", CREATE).await.header("idempotent-replayed"), "");
}

async fn requests_that_a_key_cannot_protect_are_rejected(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_GRAPHQL_BATCH", 10).start().await;
    let mutation = json!({ "query": CREATE });
    let batch = send(&server, "k", JSON, &json!([mutation, mutation])).await;
    batch.is_graphql_error(400, "MALFORMED");
    assert!(batch.text.contains("Idempotency-Key"), "{batch:?}");
    let events = send(&server, "k", "text/event-stream", &mutation).await;
    events.is_graphql_error(400, "MALFORMED");
    assert!(events.text.contains("Idempotency-Key"), "{events:?}");
    send(&server, "a b", JSON, &mutation).await.is_graphql_error(422, "INVALID");
    let twice = server.request("POST", "/graphql").header("idempotency-key", "a");
    let twice = twice.header("idempotency-key", "b").header("content-type", JSON).body(mutation.to_string());
    server.send(twice).await.is_graphql_error(400, "MALFORMED");
    server.get("/products").await.is(200, "[]");
}

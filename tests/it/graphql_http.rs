//! GraphQL over HTTP: methods, media types, statuses, persisted documents.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Server, Store};

on_both_stores!(
    each_client_gets_its_media_type,
    what_is_no_request_is_refused,
    queries_can_be_asked_by_get,
    a_document_is_found_by_its_hash,
    a_browser_gets_the_playground,
    an_event_stream_has_an_end,
);

const TYPENAME: &str = r#"{"query":"{ __typename }"}"#;
const ANSWER: &str = r#"{"data":{"__typename":"Query"}}"#;

async fn post(server: &Server, accept: &str, body: &str) -> Answer {
    let request = server.request("POST", "/graphql").header("accept", accept);
    server.send(request.header("content-type", "application/json").body(body.to_owned())).await
}

async fn get(server: &Server, query: &[(&str, &str)]) -> Answer {
    server.send(server.request("GET", "/graphql").header("accept", "application/json").query(query)).await
}

async fn each_client_gets_its_media_type(store: Store) {
    let server = Server::start(store).await;
    let (json, graphql) = ("application/json", "application/graphql-response+json");
    for (accept, expected) in [
        (graphql, graphql),
        (json, json),
        ("*/*", json),
        ("text/html", json),
        ("application/graphql-response+json, application/json;q=0.9", graphql),
        ("application/graphql-response+json;q=0.5, application/json", json),
    ] {
        let answer = post(&server, accept, TYPENAME).await;
        assert_eq!((answer.header("content-type"), answer.header("vary")), (expected, "accept"), "{accept}");
        answer.is(200, ANSWER);
    }
    // With a document that can't be carried out, the status tells it to those who expect that.
    for (body, code) in [(r#"{"query":"{"}"#, "MALFORMED"), (r#"{"query":"{ nothing }"}"#, "INVALID")] {
        post(&server, json, body).await.is_graphql_error(200, code);
        post(&server, graphql, body).await.is_graphql_error(400, code);
    }
    // A field that fails is a part of an answer.
    let failing = json!({ "query": "mutation { deleteProduct(id: 1) { id } }" }).to_string();
    let answer = post(&server, graphql, &failing).await;
    assert_eq!((answer.status, &answer.json()["data"]), (200, &json!({ "deleteProduct": null })));
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "NOT_FOUND");
}

async fn what_is_no_request_is_refused(store: Store) {
    let server = Server::start(store).await;
    for body in ["", "{", "7", r#"{"query":7}"#, "{}", r#"{"query":"{ __typename }","variables":[]}"#] {
        server.post("/graphql", body).await.is_graphql_error(400, "MALFORMED");
    }
    server.post("/graphql", "[".repeat(100_000)).await.is_graphql_error(400, "MALFORMED");
    server.post("/graphql", "[]").await.is_graphql_error(400, "BATCH_TOO_LARGE");
    server.post("/graphql", format!("[{TYPENAME}]")).await.is_graphql_error(400, "BATCH_TOO_LARGE");
    // A page of another origin could send these without asking.
    for kind in [None, Some("text/plain"), Some("multipart/form-data; boundary=x")] {
        let request = server.request("POST", "/graphql").body(TYPENAME);
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        server.send(request).await.is_graphql_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

async fn queries_can_be_asked_by_get(store: Store) {
    let server = Server::start(store).await;
    let query = "query A($n: Int) { products(first: $n) { nodes { id } } } mutation B { deleteProduct(id: 1) { id } }";
    server
        .post("/products", r#"[{"name":"a","price":1,"amount":1},{"name":"b","price":1,"amount":1}]"#)
        .await;
    let asked = get(&server, &[("query", query), ("operationName", "A"), ("variables", r#"{"n":1}"#)]).await;
    asked.is(200, r#"{"data":{"products":{"nodes":[{"id":"1"}]}}}"#);
    let mutation = get(&server, &[("query", query), ("operationName", "B")]).await;
    mutation.is_graphql_error(405, "MUTATION_OVER_GET");
    assert_eq!(mutation.header("allow"), "POST");
    // Also where the only operation has a name that the request does not repeat.
    let named = get(&server, &[("query", "mutation B { deleteProduct(id: 1) { id } }")]).await;
    named.is_graphql_error(405, "MUTATION_OVER_GET");
    for bad in [&[("query", "{ __typename }"), ("variables", "7")][..], &[("operationName", "A")]] {
        get(&server, bad).await.is_graphql_error(400, "MALFORMED");
    }
    assert_eq!(server.get("/products/1").await.status, 200);
}

async fn a_document_is_found_by_its_hash(store: Store) {
    let server = Server::start(store).await;
    let document = "query($id: ID!) { product(id: $id) { name } }";
    let hash = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let extensions = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let send = async |query: Option<&str>, hash: &str| {
        let mut request = json!({ "variables": { "id": 1 }, "extensions": extensions(hash) });
        if let Some(query) = query {
            request["query"] = query.into();
        }
        server.post("/graphql", request.to_string()).await
    };
    let answer = r#"{"data":{"product":null}}"#;
    send(None, &hash(document)).await.is_graphql_error(200, "PERSISTED_QUERY_NOT_FOUND");
    send(Some(document), &hash("other")).await.is_graphql_error(200, "PERSISTED_QUERY_MISMATCH");
    send(Some(document), "xyz").await.is_graphql_error(200, "MALFORMED");
    send(Some(document), &hash(document)).await.is(200, answer);
    send(None, &hash(document)).await.is(200, answer);
    let by_get = [("variables", r#"{"id":1}"#), ("extensions", &extensions(&hash(document)).to_string())];
    get(&server, &by_get).await.is(200, answer);
    // What is refused is not kept.
    send(Some("{"), &hash("{")).await.is_graphql_error(200, "MALFORMED");
    send(None, &hash("{")).await.is_graphql_error(200, "PERSISTED_QUERY_NOT_FOUND");
}

async fn a_browser_gets_the_playground(store: Store) {
    let server = Server::start(store).await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = server.send(server.request("GET", "/graphql").header("accept", browser)).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("Stockmeter GraphQL"), "{}", page.text);
    assert_eq!(server.get("/graphql").await.text, page.text);
    server.get("/graphql/playground/0/main.js").await.is_problem(404, "NOT_FOUND", &[]);
}

async fn an_event_stream_has_an_end(store: Store) {
    let server = Server::start(store).await;
    let answer = post(&server, "text/event-stream", TYPENAME).await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    answer.is(200, &format!("event: next\ndata: {ANSWER}\n\nevent: complete\ndata: {{}}\n\n"));
    // The stock client looks at nothing but the events.
    let refused = post(&server, "text/event-stream", r#"{"query":"{"}"#).await;
    assert!(refused.text.starts_with("event: next\ndata: {\"errors\":[{\"message\":"), "{refused:?}");
    assert!(refused.text.ends_with("\n\nevent: complete\ndata: {}\n\n"), "{refused:?}");
}

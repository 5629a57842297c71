//! GraphQL over HTTP: methods, media types, statuses, persisted queries.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Response, Server, Store};

on_both_stores!(
    responses_have_the_accepted_media_type,
    invalid_requests_are_rejected,
    queries_can_be_sent_with_get,
    persisted_queries_are_found_by_their_hash,
    browsers_receive_the_playground,
    event_streams_end_with_a_complete_event,
);

const TYPENAME: &str = r#"{"query":"{ __typename }"}"#;
const RESPONSE: &str = r#"{"data":{"__typename":"Query"}}"#;

async fn post(server: &Server, accept: &str, body: &str) -> Response {
    let request = server.request("POST", "/graphql").header("accept", accept);
    server.send(request.header("content-type", "application/json").body(body.to_owned())).await
}

async fn get(server: &Server, query: &[(&str, &str)]) -> Response {
    server.send(server.request("GET", "/graphql").header("accept", "application/json").query(query)).await
}

async fn responses_have_the_accepted_media_type(store: Store) {
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
        let response = post(&server, accept, TYPENAME).await;
        assert_eq!(
            (response.header("content-type"), response.header("vary")),
            (expected, "accept"),
            "{accept}"
        );
        response.is(200, RESPONSE);
    }
    // A request error changes the status only for clients that accept `application/graphql-response+json`.
    for (body, code) in [(r#"{"query":"{"}"#, "MALFORMED"), (r#"{"query":"{ nothing }"}"#, "INVALID")] {
        post(&server, json, body).await.is_graphql_error(200, code);
        post(&server, graphql, body).await.is_graphql_error(400, code);
    }
    // A failed field does not change the status.
    let failing = json!({ "query": "mutation { deleteProduct(id: 1) { id } }" }).to_string();
    let response = post(&server, graphql, &failing).await;
    assert_eq!((response.status, &response.json()["data"]), (200, &json!({ "deleteProduct": null })));
    assert_eq!(response.json()["errors"][0]["extensions"]["code"], "NOT_FOUND");
}

async fn invalid_requests_are_rejected(store: Store) {
    let server = Server::start(store).await;
    for body in ["", "{", "7", r#"{"query":7}"#, "{}", r#"{"query":"{ __typename }","variables":[]}"#] {
        server.post("/graphql", body).await.is_graphql_error(400, "MALFORMED");
    }
    server.post("/graphql", "[".repeat(100_000)).await.is_graphql_error(400, "MALFORMED");
    server.post("/graphql", "[]").await.is_graphql_error(400, "BATCH_TOO_LARGE");
    server.post("/graphql", format!("[{TYPENAME}]")).await.is_graphql_error(400, "BATCH_TOO_LARGE");
    // A browser sends these requests for a page of another origin without a CORS preflight.
    for kind in [None, Some("text/plain"), Some("multipart/form-data; boundary=x")] {
        let request = server.request("POST", "/graphql").body(TYPENAME);
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        server.send(request).await.is_graphql_error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

async fn queries_can_be_sent_with_get(store: Store) {
    let server = Server::start(store).await;
    let query = "query A($n: Int) { products(first: $n) { nodes { id } } } mutation B { deleteProduct(id: 1) { id } }";
    server
        .post("/products", r#"[{"name":"a","price":1,"amount":1},{"name":"b","price":1,"amount":1}]"#)
        .await;
    let selected =
        get(&server, &[("query", query), ("operationName", "A"), ("variables", r#"{"n":1}"#)]).await;
    selected.is(200, r#"{"data":{"products":{"nodes":[{"id":"1"}]}}}"#);
    let mutation = get(&server, &[("query", query), ("operationName", "B")]).await;
    mutation.is_graphql_error(405, "MUTATION_OVER_GET");
    assert_eq!(mutation.header("allow"), "POST");
    // The operation name is optional if the document has only one operation.
    let named = get(&server, &[("query", "mutation B { deleteProduct(id: 1) { id } }")]).await;
    named.is_graphql_error(405, "MUTATION_OVER_GET");
    for bad in [&[("query", "{ __typename }"), ("variables", "7")][..], &[("operationName", "A")]] {
        get(&server, bad).await.is_graphql_error(400, "MALFORMED");
    }
    assert_eq!(server.get("/products/1").await.status, 200);
}

async fn persisted_queries_are_found_by_their_hash(store: Store) {
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
    let response = r#"{"data":{"product":null}}"#;
    send(None, &hash(document)).await.is_graphql_error(200, "PERSISTED_QUERY_NOT_FOUND");
    send(Some(document), &hash("other")).await.is_graphql_error(200, "PERSISTED_QUERY_MISMATCH");
    send(Some(document), "xyz").await.is_graphql_error(200, "MALFORMED");
    send(Some(document), &hash(document)).await.is(200, response);
    send(None, &hash(document)).await.is(200, response);
    let by_get = [("variables", r#"{"id":1}"#), ("extensions", &extensions(&hash(document)).to_string())];
    get(&server, &by_get).await.is(200, response);
    // Rejected documents are not stored.
    send(Some("{"), &hash("{")).await.is_graphql_error(200, "MALFORMED");
    send(None, &hash("{")).await.is_graphql_error(200, "PERSISTED_QUERY_NOT_FOUND");
}

async fn browsers_receive_the_playground(store: Store) {
    let server = Server::start(store).await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = server.send(server.request("GET", "/graphql").header("accept", browser)).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("Stockmeter GraphQL"), "{}", page.text);
    assert_eq!(server.get("/graphql").await.text, page.text);
    server.get("/graphql/playground/0/main.js").await.is_problem(404, "NOT_FOUND", &[]);
}

async fn event_streams_end_with_a_complete_event(store: Store) {
    let server = Server::start(store).await;
    let response = post(&server, "text/event-stream", TYPENAME).await;
    assert_eq!(response.header("content-type"), "text/event-stream");
    response.is(200, &format!("event: next\ndata: {RESPONSE}\n\nevent: complete\ndata: {{}}\n\n"));
    // The client library graphql-sse reads only events, so request errors are sent as events.
    let rejected = post(&server, "text/event-stream", r#"{"query":"{"}"#).await;
    assert!(rejected.text.starts_with("event: next\ndata: {\"errors\":[{\"message\":"), "{rejected:?}");
    assert!(rejected.text.ends_with("\n\nevent: complete\ndata: {}\n\n"), "{rejected:?}");
}

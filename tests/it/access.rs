//! API tokens, and what callers with and without them may do.

use reqwest::RequestBuilder;
use serde_json::json;
use stockmeter::{
    app::routes::{Permission, ROUTES, Route},
    domain::{Scope, Scopes},
};

use crate::{
    harness::{NORTHWIND, Response, Server, Setup, Store, eventually},
    websocket::Socket,
};

on_both_stores!(
    every_route_needs_its_scope,
    graphql_operations_need_their_scopes,
    sockets_authenticate_with_their_first_message,
    replacing_imports_need_admin,
    an_ended_token_is_rejected_by_all_instances,
    streams_end_with_their_tokens,
    a_rotated_token_stays_valid_for_a_while,
    the_first_token_closes_a_server_on_loopback,
    the_list_shows_tokens_without_their_secrets,
);

/// Runs `stockmeter token` with these arguments, and returns its standard output.
pub async fn token(setup: &Setup, args: &[&str]) -> String {
    let output = setup.command().arg("token").args(args).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

async fn create_token(setup: &Setup, scope: &str) -> String {
    token(setup, &["create", "--name", "test", "--scope", scope]).await
}

/// Returns the public id in a token.
fn id(token: &str) -> &str {
    &token[4..12]
}

/// Starts a server with a token for each of the scopes.
async fn start(store: Store, scopes: &[&str]) -> (Server, Vec<String>) {
    let setup = Setup::new(store).await;
    let mut tokens = Vec::new();
    for scope in scopes {
        tokens.push(create_token(&setup, scope).await);
    }
    (setup.start().await, tokens)
}

/// Adds the token to a request, if there is one.
fn with(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    token.into_iter().fold(request, RequestBuilder::bearer_auth)
}

#[track_caller]
fn assert_rejected(response: &Response, has_token: bool, scope: Scope) {
    let name = Scopes::from(scope).to_string();
    let (status, code, challenge) = if has_token {
        let challenge = format!(r#"Bearer realm="stockmeter", error="insufficient_scope", scope="{name}""#);
        (403, "FORBIDDEN", challenge)
    } else {
        (401, "UNAUTHORIZED", r#"Bearer realm="stockmeter""#.to_owned())
    };
    assert_eq!(response.status, status, "{response:?}");
    let body = response.json();
    let found = body["code"].as_str().or_else(|| body["errors"][0]["extensions"]["code"].as_str());
    assert_eq!(found, Some(code), "{body}");
    assert_eq!(response.header("www-authenticate"), challenge);
}

/// The matrix is generated from the list of routes, so that it covers each new route.
async fn every_route_needs_its_scope(store: Store) {
    let scopes = ["read", "write", "admin", "metrics"];
    let (server, tokens) = start(store, &scopes).await;
    let callers: Vec<(Scopes, Option<&str>)> = scopes
        .iter()
        .zip(&tokens)
        .map(|(scope, token)| (scope.parse().unwrap(), Some(token.as_str())))
        .chain([(Scopes::NONE, None)])
        .collect();
    for route in ROUTES {
        let path = route.template.replace("{product_id}", "1").replace("{*rest}", "index.css");
        for (held, token) in &callers {
            for method in [route.method, "HEAD"].into_iter().take(if route.method == "GET" { 2 } else { 1 }) {
                // The change feed has no end, so its body is not read.
                let request = with(server.request(method, &path), *token);
                let request = if route.template == "/products/changes" {
                    request.header("if-none-match", "*").query(&[("id", "eq.x")])
                } else {
                    request
                };
                let response = server.send(request).await;
                match needed(route) {
                    Some(scope) if !held.contains(scope) => {
                        if method == "HEAD" {
                            assert_eq!(response.status, if token.is_some() { 403 } else { 401 });
                        } else {
                            assert_rejected(&response, token.is_some(), scope);
                        }
                    }
                    _ => assert!(![401, 403].contains(&response.status), "{method} {path} {response:?}"),
                }
            }
        }
        let invalid = server.send(with(server.request(route.method, &path), Some("stk_unknown"))).await;
        let is_public = route.permission == Permission::Public;
        assert_eq!(invalid.status == 401, !is_public, "{} {path} {invalid:?}", route.method);
    }
}

fn needed(route: &Route) -> Option<Scope> {
    match route.permission {
        Permission::Scope(scope) => Some(scope),
        Permission::Public | Permission::PerOperation => None,
    }
}

async fn graphql_operations_need_their_scopes(store: Store) {
    let scopes = ["read", "write", "admin", "metrics"];
    let (server, tokens) = start(store, &scopes).await;
    let operations = [
        ("{ product(id: 1) { id } }", Scope::Read),
        ("{ products(first: 1) { nodes { id } } }", Scope::Read),
        ("{ __typename }", Scope::Read),
        ("{ __schema { queryType { name } } }", Scope::Read),
        (r#"mutation { createProduct(input: {name: "a", price: 1, amount: 1}) { id } }"#, Scope::Write),
        ("mutation { adjustStock(id: 1, delta: 1) { id } }", Scope::Write),
        ("mutation { deleteProduct(id: 99) { id } }", Scope::Write),
        ("mutation { deleteProducts(filter: {id: {eq: 99}}) }", Scope::Admin),
        ("mutation { a: deleteProducts(filter: {id: {eq: 99}}) }", Scope::Admin),
        ("mutation { ... { deleteProducts(filter: {id: {eq: 99}}) } }", Scope::Admin),
        ("mutation { ...f } fragment f on Mutation { deleteProducts(filter: {id: {eq: 99}}) }", Scope::Admin),
        (
            "mutation { ...f } fragment f on Mutation { ... { ...g } } \
            fragment g on Mutation { ... on Mutation { deleteProducts(filter: {id: {eq: 99}}) } }",
            Scope::Admin,
        ),
    ];
    let callers =
        scopes.iter().zip(&tokens).map(|(scope, token)| (scope.parse().unwrap(), Some(token.as_str())));
    for (held, token) in callers.chain([(Scopes::NONE, None)]) {
        for (query, scope) in operations {
            let missing = if held.contains(Scope::Read) { scope } else { Scope::Read };
            for accept in ["application/json", "application/graphql-response+json", "text/event-stream"] {
                let body = json!({ "query": query }).to_string();
                let request = server.request("POST", "/graphql").header("content-type", "application/json");
                let response = server.send(with(request, token).header("accept", accept).body(body)).await;
                if held.contains(scope) {
                    assert_eq!(response.status, 200, "{query} {response:?}");
                } else {
                    assert_rejected(&response, token.is_some(), missing);
                }
            }
            let request = server.request("GET", "/graphql").query(&[("query", query)]);
            let response = server.send(with(request, token)).await;
            match scope {
                _ if !held.contains(scope) => assert_rejected(&response, token.is_some(), missing),
                Scope::Read => assert_eq!(response.status, 200, "{query} {response:?}"),
                _ => assert_eq!(response.status, 405, "{query} {response:?}"),
            }
        }
    }
    assert_eq!(server.get("/graphql?query=%7B%7B").await.status, 401, "strangers do not reach the parser");
    assert_eq!(server.get("/graphql").await.status, 200, "the playground needs no token");
}

async fn sockets_authenticate_with_their_first_message(store: Store) {
    let (server, tokens) = start(store, &["read", "write", "metrics"]).await;
    let [read, write, metrics] = tokens.as_slice() else { unreachable!() };
    let init = |authorization: String| json!({ "type": "connection_init", "payload": { "authorization": authorization } });
    for payload in [
        json!({ "type": "connection_init" }),
        init(format!("Bearer {metrics}")),
        init("Bearer stk_unknown".to_owned()),
        init(read.clone()),
    ] {
        let mut socket = Socket::open(&server).await;
        socket.send(payload).await;
        assert_eq!(socket.close_code().await, 4403);
    }
    for (token, is_allowed) in [(read, false), (write, true)] {
        let mut socket = Socket::open(&server).await;
        socket.send(init(format!("Bearer {token}"))).await;
        assert_eq!(socket.receive().await["type"], "connection_ack");
        socket
            .subscribe("1", r#"mutation { createProduct(input: {name: "a", price: 1, amount: 1}) { name } }"#)
            .await;
        let message = socket.receive().await;
        if is_allowed {
            assert_eq!(message["payload"]["data"]["createProduct"]["name"], "a", "{message}");
        } else {
            assert_eq!(message["payload"][0]["extensions"], json!({ "code": "FORBIDDEN", "scope": "write" }));
        }
    }
}

async fn replacing_imports_need_admin(store: Store) {
    let (server, tokens) = start(store, &["write", "admin"]).await;
    for (index, status) in [(0, 403), (1, 200)] {
        let request = server.request("POST", "/products").bearer_auth(&tokens[index]);
        let request =
            request.header("content-type", "text/csv").header("prefer", "resolution=merge-duplicates");
        let response = server.send(request.body("id,name,price,amount\n1,a,1,1\n")).await;
        assert_eq!(response.status, status, "{response:?}");
    }
    for (content_type, body) in [
        ("text/csv", "name,price,amount\na,1,1\n"),
        ("application/json", r#"{"name":"b","price":1,"amount":1}"#),
    ] {
        let request = server.request("POST", "/products").bearer_auth(&tokens[0]);
        let response = server.send(request.header("content-type", content_type).body(body)).await;
        assert_eq!(response.status, 201, "{response:?}");
    }
}

async fn status(server: &Server, token: &str) -> u16 {
    server.send(server.request("GET", "/products?limit=1").bearer_auth(token)).await.status
}

async fn an_ended_token_is_rejected_by_all_instances(store: Store) {
    let (server, tokens) = start(store, &["read", "read"]).await;
    let [revoked, other] = tokens.as_slice() else { unreachable!() };
    let short =
        token(&server.setup, &["create", "--name", "short", "--scope", "read", "--expires", "4s"]).await;
    // Two servers on one SQLite file are possible, but share nothing else either.
    let second = server.setup.clone().start().await;
    for instance in [&server, &second] {
        assert_eq!(status(instance, revoked).await, 200);
        eventually("the new token is known", async || status(instance, &short).await == 200).await;
    }
    token(&server.setup, &["revoke", id(revoked)]).await;
    let revoked_at = std::time::Instant::now();
    for instance in [&server, &second] {
        eventually("the token is rejected", async || status(instance, revoked).await == 401).await;
    }
    assert!(revoked_at.elapsed().as_secs() < 5, "{:?}", revoked_at.elapsed());
    for instance in [&server, &second] {
        eventually("the token expires", async || status(instance, &short).await == 401).await;
        assert_eq!(status(instance, other).await, 200);
    }
}

async fn streams_end_with_their_tokens(store: Store) {
    let (server, tokens) = start(store, &["read"]).await;
    let token_text = &tokens[0];
    let changes = server.request("GET", "/products/changes").bearer_auth(token_text).send().await.unwrap();
    assert_eq!(changes.status(), 200);
    let subscription = json!({ "query": "subscription { productChanged { id } }" }).to_string();
    let request = server.request("POST", "/graphql").header("accept", "text/event-stream");
    let request = request.header("content-type", "application/json").bearer_auth(token_text);
    let events = request.body(subscription).send().await.unwrap();
    assert_eq!(events.status(), 200);
    let mut socket = Socket::open(&server).await;
    let payload = json!({ "authorization": format!("Bearer {token_text}") });
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");

    token(&server.setup, &["revoke", id(token_text)]).await;
    assert_eq!(socket.close_code().await, 4403);
    // Reading a body to its end waits for the end of the stream.
    changes.text().await.unwrap();
    events.text().await.unwrap();
}

async fn a_rotated_token_stays_valid_for_a_while(store: Store) {
    let (server, tokens) = start(store, &["read"]).await;
    let new = token(&server.setup, &["rotate", id(&tokens[0]), "--grace", "3s"]).await;
    assert_eq!(status(&server, &tokens[0]).await, 200);
    eventually("the new token is known", async || status(&server, &new).await == 200).await;
    eventually("the replaced token ends", async || status(&server, &tokens[0]).await == 401).await;
    assert_eq!(status(&server, &new).await, 200);

    let ended = server.setup.command().args(["token", "rotate", id(&tokens[0])]).output().await.unwrap();
    assert!(!ended.status.success());
    let message = String::from_utf8(ended.stderr).unwrap();
    assert!(message.contains("id belongs to a token that has ended: create a new token"), "{message}");
}

async fn the_first_token_closes_a_server_on_loopback(store: Store) {
    let server = Server::start(store).await;
    assert_eq!(server.post("/products", NORTHWIND).await.status, 201);
    create_token(&server.setup, "read").await;
    eventually("the server is closed", async || server.get("/products").await.status == 401).await;
    assert_eq!(server.get("/metrics").await.status, 401);
    assert_eq!(server.get("/health").await.status, 200);
}

async fn the_list_shows_tokens_without_their_secrets(store: Store) {
    let setup = Setup::new(store).await;
    let text =
        token(&setup, &["create", "--name", "till 3", "--scope", "write,metrics", "--expires", "1day"]).await;
    let list = token(&setup, &["list"]).await;
    let columns: Vec<_> = list.lines().nth(1).unwrap().split('\t').collect();
    let [shown, scopes, _, expires, used, revoked, name] = columns.as_slice() else { panic!("{list}") };
    assert_eq!(
        (*shown, *scopes, *used, *revoked, *name),
        (id(&text), "write,metrics", "never", "never", "till 3")
    );
    assert!(expires.ends_with('Z'), "{expires}");
    assert!(!list.contains(&text[13..]), "{list}");
}

#[tokio::test]
async fn a_public_address_needs_a_decision() {
    let setup = Setup::new(Store::Sqlite).await;
    for (name, address) in [("STOCKMETER_LISTEN", "0.0.0.0:0"), ("STOCKMETER_METRICS_LISTEN", "0.0.0.0:0")] {
        let output = setup.clone().with(name, address).command().output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains("stockmeter token create"), "{message}");
        assert!(
            message.contains("STOCKMETER_JWT_KEYS") && message.contains("STOCKMETER_ANONYMOUS"),
            "{message}"
        );
    }
    let public = setup.clone().with("STOCKMETER_LISTEN", "0.0.0.0:0");
    for (anonymous, read, write, metrics) in [
        ("none", 401, 401, 401),
        ("read", 200, 401, 401),
        ("write,metrics", 200, 201, 200),
        ("metrics", 401, 401, 200),
    ] {
        let mut server = public.clone().with("STOCKMETER_ANONYMOUS", anonymous).start().await;
        server.address = server.address.replace("0.0.0.0", "127.0.0.1");
        assert_eq!(server.get("/products").await.status, read, "{anonymous}");
        assert_eq!(server.post("/products", r#"{"name":"a","price":1,"amount":1}"#).await.status, write);
        assert_eq!(server.get("/metrics").await.status, metrics, "{anonymous}");
    }
    create_token(&public, "read").await;
    let mut server = public.start().await;
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.get("/products").await.status, 401);
}

#[tokio::test]
async fn the_use_of_a_token_is_stored() {
    let (mut server, tokens) = start(Store::Sqlite, &["read"]).await;
    assert_eq!(status(&server, &tokens[0]).await, 200);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait_for_exit().await.success());
    let list = token(&server.setup, &["list"]).await;
    let used = list.lines().nth(1).unwrap().split('\t').nth(4).unwrap();
    assert!(used.ends_with('Z'), "{list}");
}

#[tokio::test]
async fn an_invalid_scope_or_id_is_an_error() {
    let setup = Setup::new(Store::Sqlite).await;
    create_token(&setup, "read").await;
    for (args, expected) in [
        (&["create", "--name", "a", "--scope", "reads"][..], "must be read, write, admin or metrics"),
        (&["create", "--name", " ", "--scope", "read"], "must be 1 to 100 characters"),
        (&["create", "--name", "a"], "--scope"),
        (&["revoke", "abc"], "must be the 8 letters and digits"),
        (&["revoke", "AAAAAAAA"], "stockmeter token list"),
    ] {
        let output = setup.command().arg("token").args(args).output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains(expected), "{args:?}: {message}");
    }
    let missing = Setup::new(Store::Sqlite).await;
    let output = missing.command().args(["token", "list"]).output().await.unwrap();
    assert!(!output.status.success() && !missing.file().exists(), "{output:?}");
}

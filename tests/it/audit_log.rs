//! The audit log: a line for each change, each request that is denied, and each change of a token.

use serde_json::{Value, json};

use crate::{
    access::token,
    harness::{NORTHWIND, Server, Setup, Store},
    websocket::Socket,
};

on_both_stores!(each_change_has_a_line, denied_requests_have_a_line, changes_of_a_transaction_share_its_end);

/// Starts a server that logs nothing else, with a token for each scope.
async fn start(store: Store, scopes: &[&str]) -> (Server, Vec<String>) {
    let setup = Setup::new(store).await;
    let mut tokens = Vec::new();
    for scope in scopes {
        tokens.push(token(&setup, &["create", "--name", "test", "--scope", scope]).await);
    }
    // The harness needs the line with the address.
    let setup = setup.with("STOCKMETER_LOG", "off,stockmeter::server=info");
    (setup.start().await, tokens)
}

/// Waits for the audit line of the request with this id, and returns its fields without the time.
async fn line(server: &Server, id: &str) -> Value {
    let mut line = server.log.wait_for_request("audit", id).await;
    assert_eq!(line["level"], "INFO", "{line}");
    for name in ["timestamp", "target", "level"] {
        line.as_object_mut().unwrap().remove(name);
    }
    line
}

async fn each_change_has_a_line(store: Store) {
    let (server, tokens) = start(store, &["admin"]).await;
    let caller = format!("token:{}", &tokens[0][4..12]);
    let cases = [
        (
            "POST",
            "/products",
            NORTHWIND,
            "create",
            "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20 and 57 more",
            77,
        ),
        ("POST", "/products", r#"{"id":100,"name":"a","price":1,"amount":1}"#, "create", "100", 1),
        ("PUT", "/products/100", r#"{"name":"b","price":1,"amount":1}"#, "update", "100", 1),
        ("PATCH", "/products/100", r#"{"amount":2}"#, "update", "100", 1),
        ("POST", "/products/100/stock", r#"{"delta":1}"#, "adjust_stock", "100", 1),
        ("PUT", "/products", r#"[{"id":100,"name":"c","price":1,"amount":1}]"#, "replace", "100", 1),
        ("DELETE", "/products/100", "", "delete", "100", 1),
        (
            "DELETE",
            "/products?id=gte.70&price=lt.1000&name=contains.A",
            "",
            "delete",
            "id=gte.70&price=lt.1000.0&name=contains.a",
            5,
        ),
    ];
    for (index, (method, path, body, operation, products, count)) in cases.into_iter().enumerate() {
        let id = format!("change-{index}");
        let request = server.request(method, path).bearer_auth(&tokens[0]).header("x-request-id", &id);
        let request = request.header("content-type", "application/json");
        let response = server.send(request.body(body)).await;
        assert!(response.status < 300, "{response:?}");
        let line = line(&server, &id).await;
        let found = (&line["operation"], &line["products"], &line["outcome"], &line["message"]);
        assert_eq!(found, (&json!(operation), &json!(products), &json!("done"), &json!("change")), "{line}");
        if !products.contains("name") {
            assert_eq!(line["count"], count, "{line}");
        }
        assert_eq!(
            (&line["span"]["caller"], &line["span"]["address"]),
            (&json!(caller), &json!("127.0.0.1"))
        );
    }
    let rejected =
        server.request("DELETE", "/products/999").bearer_auth(&tokens[0]).header("x-request-id", "missing");
    assert_eq!(server.send(rejected).await.status, 404);
    let line_of_missing = line(&server, "missing").await;
    assert_eq!(line_of_missing["outcome"], "rejected");
    assert_eq!(line_of_missing["error"], "product 999 not found");

    let file = server.request("POST", "/products").bearer_auth(&tokens[0]).header("x-request-id", "file");
    let file = file.header("content-type", "text/csv").body("name,price,amount\na,1,1\nb,1,1\n");
    assert_eq!(server.send(file).await.status, 201);
    let line_of_file = line(&server, "file").await;
    assert_eq!((&line_of_file["operation"], &line_of_file["count"]), (&json!("import"), &json!(2)));

    let query = json!({ "query": "mutation { deleteProducts(filter: {id: {in: [1, 2]}}) }" });
    let graphql =
        server.request("POST", "/graphql").bearer_auth(&tokens[0]).header("x-request-id", "graphql");
    server.send(graphql.header("content-type", "application/json").body(query.to_string())).await;
    let line_of_mutation = line(&server, "graphql").await;
    assert_eq!((&line_of_mutation["products"], &line_of_mutation["count"]), (&json!("id=in.1,2"), &json!(2)));
}

async fn denied_requests_have_a_line(store: Store) {
    let (server, tokens) = start(store, &["read"]).await;
    let denied = async |id: &str, path: &str, token: Option<&str>| {
        let request = server.request("POST", path).header("x-request-id", id);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let mutation = r#"{"query":"mutation { deleteProduct(id: 1) { id } }"}"#;
        server.send(request.header("content-type", "application/json").body(mutation)).await;
        line(&server, id).await
    };
    let read = Some(tokens[0].as_str());
    for (id, path, token, error) in [
        ("none", "/products", None, "authentication required: send `Authorization: Bearer TOKEN`"),
        ("unknown", "/products", Some("stk_x"), "the token is unknown or has ended: send a valid token"),
        ("scope", "/products", read, "permission denied: the token needs the scope write"),
        ("graphql", "/graphql", read, "permission denied: the token needs the scope write"),
    ] {
        let line = denied(id, path, token).await;
        let found = (&line["message"], &line["outcome"], &line["error"]);
        assert_eq!(found, (&json!("access"), &json!("denied"), &json!(error)), "{line}");
    }
    let mut socket = Socket::open(&server).await;
    socket.send(json!({ "type": "connection_init", "payload": { "authorization": "Bearer wrong" } })).await;
    assert_eq!(socket.close_code().await, 4403);
    let text = server.log.wait_for_line("the token is unknown or has ended\"").await;
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["outcome"], &line["span"]["path"]), (&json!("denied"), &json!("/graphql")));
}

async fn changes_of_a_transaction_share_its_end(store: Store) {
    let (server, tokens) = start(store, &["admin"]).await;
    let send = async |id: &str, key: &str| {
        let request = server.request("POST", "/products").bearer_auth(&tokens[0]).header("x-request-id", id);
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        server.send(request.body(r#"{"id":1,"name":"a","price":1,"amount":1}"#)).await.status
    };
    assert_eq!(send("first", "a").await, 201);
    assert_eq!(line(&server, "first").await["outcome"], "done");
    // The repetition changes nothing and has no line, so the next line is that of the third request.
    assert_eq!(send("repeated", "a").await, 201);
    assert_eq!(send("third", "b").await, 409);
    assert_eq!(line(&server, "third").await["outcome"], "rejected");
    assert!(!server.log.text().contains(r#""id":"repeated""#));
}

#[tokio::test]
async fn changes_of_tokens_have_a_line() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_LOG", "off");
    let run = async |args: &[&str]| {
        let output = setup.command().arg("token").args(args).output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let line =
            log.lines().find(|line| line.contains(r#""target":"audit""#)).unwrap_or_else(|| panic!("{log}"));
        (String::from_utf8(output.stdout).unwrap(), serde_json::from_str::<Value>(line).unwrap())
    };
    let (text, created) = run(&["create", "--name", "till", "--scope", "write"]).await;
    let id = &text[4..12];
    let expected =
        json!({ "operation": "create", "token": id, "name": "till", "scopes": "write", "outcome": "done" });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&created[name], value, "{created}");
    }
    assert!(!created.to_string().contains(&text.trim()[13..]), "{created}");
    assert_eq!(run(&["revoke", id]).await.1["operation"], "revoke");
    let (_, failed) = run(&["rotate", id]).await;
    assert_eq!(
        (&failed["operation"], &failed["outcome"]),
        (&json!("rotate"), &json!("rejected")),
        "{failed}"
    );
}

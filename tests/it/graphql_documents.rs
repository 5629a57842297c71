//! Documents of GraphQL: skipped fields, escapes in strings, conflicts, introspection.

use serde_json::{Value, json};

use crate::{
    harness::{Server, Setup, Store},
    websocket::Socket,
};

on_both_stores!(
    objects_without_fields_are_empty,
    escapes_become_characters,
    introspection_shows_the_types_of_the_agreed_schema,
    disabled_introspection_hides_names,
    empty_parameters_count_as_absent,
    conflicting_documents_are_rejected,
    directives_are_checked_on_every_field,
    subscriptions_may_use_fragments,
);

const PRODUCT: &str = r#"{"id":1,"name":"a","price":1.5,"amount":1}"#;

async fn objects_without_fields_are_empty(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", PRODUCT).await;
    let edges = json!({ "products": { "edges": [{ "node": {} }], "pageInfo": {} } });
    for (query, data) in [
        ("query($no: Boolean!) { product(id: 1) @include(if: $no) { id } }", json!({})),
        ("query($no: Boolean = false) { product(id: 1) @include(if: $no) { id } }", json!({})),
        (
            "query { product(id: 1) @skip(if: true) { id } products @include(if: false) { totalCount } }",
            json!({}),
        ),
        ("query { product(id: 1) { id @skip(if: true) } }", json!({ "product": {} })),
        ("query { product(id: 2) { id @skip(if: true) } }", json!({ "product": null })),
        (
            "query($no: Boolean!) { ...f @include(if: $no) } fragment f on Query { product(id: 1) { id } }",
            json!({}),
        ),
        ("query { ...f } fragment f on Query { product(id: 1) @skip(if: true) { id } }", json!({})),
        ("query { ... on Query { ... @skip(if: true) { __typename } } }", json!({})),
        (
            "query { product(id: 1) { ...f } } fragment f on Product { ...g } fragment g on Product { id @skip(if: true) }",
            json!({ "product": {} }),
        ),
        (
            "query { products { edges { node { id @skip(if: true) } } pageInfo { endCursor @include(if: false) } } }",
            edges,
        ),
        (
            "query { products { nodes { ... @skip(if: true) { id } } edges { node { id name @skip(if: true) } } } }",
            json!({ "products": { "nodes": [{}], "edges": [{ "node": { "id": "1" } }] } }),
        ),
        ("query { __schema { types @skip(if: true) { name } } }", json!({ "__schema": {} })),
        ("mutation { deleteProduct(id: 1) @skip(if: true) { id } }", json!({})),
        ("mutation { adjustStock(id: 1, delta: 0) { id @skip(if: true) } }", json!({ "adjustStock": {} })),
    ] {
        let variables = json!({ "no": false });
        let request = json!({ "query": query, "variables": variables });
        let expected = json!({ "data": data });
        for _ in 0..2 {
            assert_eq!(server.graphql(query, variables.clone()).await, expected, "{query}");
        }
        if query.starts_with('q') {
            let parameters = [("query", query), ("variables", r#"{"no":false}"#)];
            let get = server.request("GET", "/graphql").header("accept", "application/json");
            assert_eq!(server.send(get.query(&parameters)).await.json(), expected, "{query}");
        }
        let mut socket = Socket::initialized(&server).await;
        socket.send(json!({ "type": "subscribe", "id": "1", "payload": request })).await;
        assert_eq!(socket.receive().await["payload"], expected, "{query}");
    }
    // A subscription needs a root field.
    let subscription = "subscription { productChanged @skip(if: true) { id } }";
    let response = server.graphql(subscription, json!({})).await;
    assert_eq!(response["errors"][0]["extensions"]["code"], "INVALID", "{response}");
    let mut events = server
        .subscribe("subscription { productChanged { product { id @skip(if: true) } } }", json!({}))
        .await;
    server.post("/products", r#"{"name":"b","price":1,"amount":1}"#).await;
    let data = events.next().await.unwrap().data;
    assert_eq!(data, json!({ "data": { "productChanged": { "product": {} } } }));
}

async fn escapes_become_characters(store: Store) {
    let server = Server::start(store).await;
    let create = |literal: &str| {
        format!(
            "mutation {{ createProduct(input: {{ name: \"{literal}\", price: 1, amount: 1 }}) {{ name }} }}"
        )
    };
    for (literal, name) in [
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00\u{1F600}", "😀😀"),
        (r"\u{1F600}", "😀"),
        (r"\u{0000E9}\u00e9", "éé"),
        (r"\u{22}\u{5c}", "\"\\"),
        (r"a\\u{41}", r"a\u{41}"),
        (r"a\\ud83d\\ude00", r"a\ud83d\ude00"),
    ] {
        let response = server.graphql(&create(literal), json!({})).await;
        assert_eq!(response["data"]["createProduct"]["name"], name, "{literal} {response}");
        let query = format!(
            "query($n: String = \"{literal}\") {{ products(filter: {{ name: {{ eq: $n }} }}) {{ totalCount }} }}"
        );
        let get = server.request("GET", "/graphql").query(&[("query", &query)]);
        let count = server.send(get.header("accept", "application/json")).await.json();
        assert!(count["data"]["products"]["totalCount"].as_i64().unwrap() > 0, "{literal} {count}");
    }
    for literal in [
        r"\ud83d",
        r"\ude00",
        r"\ude00\ud83d",
        r"\ud83d\u0041",
        r"\u{d83d}\u{de00}",
        r"\u{110000}",
        r"\u{}",
        r"\u{1F600",
        r"\ud83d\u{de00}",
    ] {
        let request = json!({ "query": create(literal) }).to_string();
        server.post("/graphql", request).await.is_graphql_error(200, "MALFORMED");
    }
    // Escapes do not shift the columns of errors.
    let query = r#"{ products(filter: { name: { eq: "\ud83d\ude00\u{1F600}" } }) { totalCount wrong } }"#;
    let response = server.graphql(query, json!({})).await;
    let column = query.find("wrong").unwrap() + 1;
    assert_eq!(response["errors"][0]["locations"], json!([{ "line": 1, "column": column }]), "{response}");
}

async fn introspection_shows_the_types_of_the_agreed_schema(store: Store) {
    let server = Server::start(store).await;
    let query = "{ __schema { types { name kind } } }";
    let response = server.graphql(query, json!({})).await;
    let types = response["data"]["__schema"]["types"].as_array().unwrap();
    let name = |kind: &Value| kind["name"].as_str().unwrap().to_owned();
    let built_in = ["Boolean", "Float", "ID", "Int", "String"];
    let mut live: Vec<_> = types
        .iter()
        .map(name)
        .filter(|name| !name.starts_with("__") && !built_in.contains(&name.as_str()))
        .collect();
    let file = include_str!("../../schema.graphql");
    let keywords = ["type ", "enum ", "input ", "scalar "];
    let definitions =
        file.lines().filter_map(|line| keywords.iter().find_map(|word| line.strip_prefix(word)));
    let mut agreed: Vec<_> =
        definitions.map(|line| line.split([' ', '{']).next().unwrap().to_owned()).collect();
    live.sort();
    agreed.sort();
    assert_eq!(live, agreed);
    let codes = server.graphql("{ __type(name: \"ErrorCode\") { enumValues { name } } }", json!({})).await;
    assert!(codes.to_string().contains("TOO_COSTLY"), "{codes}");
}

async fn disabled_introspection_hides_names(store: Store) {
    let hidden = Setup::new(store).await.with("STOCKMETER_GRAPHQL_INTROSPECTION", false).start().await;
    let shown = Server::start(store).await;
    for query in [
        "{ prodct(id: 1) { id } }",
        "{ product(id: 1) { nam } }",
        "{ product(idd: 1) { id } }",
        "mutation { deletProduct(id: 1) { id } }",
        "subscription { productChangd { id } }",
        "{ products(filter: { amont: { gt: 1 } }) { totalCount } }",
        "{ product(id: 1) { id @skip(iff: true) } }",
    ] {
        let response = hidden.graphql(query, json!({})).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "INVALID", "{response}");
        assert!(!response.to_string().contains("Did you mean"), "{response}");
        let get = hidden.request("GET", "/graphql").query(&[("query", query)]);
        let text = hidden.send(get.header("accept", "application/json")).await.text;
        assert!(!text.contains("Did you mean"), "{text}");
    }
    let response = shown.graphql("{ prodct(id: 1) { id } }", json!({})).await;
    assert!(response.to_string().contains("Did you mean"), "{response}");
}

async fn empty_parameters_count_as_absent(store: Store) {
    let server = Server::start(store).await;
    let get = async |parameters: &[(&str, &str)]| {
        let request = server.request("GET", "/graphql").header("accept", "application/json");
        server.send(request.query(parameters)).await
    };
    let typename = r#"{"data":{"__typename":"Query"}}"#;
    for empty in ["operationName", "variables", "extensions"] {
        get(&[("query", "{ __typename }"), (empty, "")]).await.is(200, typename);
    }
    get(&[("operationName", ""), ("variables", ""), ("extensions", ""), ("query", "query A { __typename }")])
        .await
        .is(200, typename);
    // Two operations require a name.
    let two = "query A { __typename } query B { __typename }";
    get(&[("query", two), ("operationName", "")]).await.is_graphql_error(200, "INVALID");
    get(&[("query", ""), ("operationName", "A")]).await.is_graphql_error(400, "MALFORMED");
    // A browser's empty form opens the playground.
    let page = server.get("/graphql?query=&extensions=").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    // JSON has null for this. An empty name is a name that no operation has.
    for (name, body) in [(Value::Null, Some(typename)), (json!(""), None)] {
        let request = json!({ "query": "{ __typename }", "operationName": name });
        let response = server.post("/graphql", request.to_string()).await;
        match body {
            Some(body) => response.is(200, body),
            None => response.is_graphql_error(200, "INVALID"),
        }
    }
    let nulls = r#"{"query":"{ __typename }","operationName":null,"variables":null,"extensions":null}"#;
    server.post("/graphql", nulls).await.is(200, typename);
}

async fn conflicting_documents_are_rejected(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", PRODUCT).await;
    for document in [
        // An object has each field once. The last one would win.
        "mutation { deleteProducts(filter: { amount: { gte: 5 }, amount: { gte: 0 } }) }",
        "mutation { deleteProducts(filter: { amount: { gte: 5, gte: 0 } }) }",
        "query($f: ProductFilter = { id: { eq: 1 }, id: { eq: 2 } }) { products(filter: $f) { totalCount } }",
        // A response key stands for one field.
        "{ product(id: 1) { id } ...f } fragment f on Query { product(id: 2) { name } }",
        "{ product(id: 1) { a: id ...f } } fragment f on Product { a: name }",
        "{ product(id: 1) { ...f } product(id: 1) { a: name } } fragment f on Product { a: id }",
        "{ products { nodes { a: id } } products { nodes { ... on Product { a: name } } } }",
        "subscription { productChanged { a: id ...f } } fragment f on ProductChange { a: version }",
        "{ product(id: 1) { __typename(x: 1) } }",
    ] {
        let request = json!({ "query": document }).to_string();
        for _ in 0..2 {
            server.post("/graphql", request.clone()).await.is_graphql_error(200, "INVALID");
        }
    }
    server.get("/products").await.is(200, &format!("[{PRODUCT}]"));
    let merged = "{ product(id: 1) { id } ...f } fragment f on Query { product(id: 1) { name } }";
    let expected = json!({ "data": { "product": { "id": "1", "name": "a" } } });
    assert_eq!(server.graphql(merged, json!({})).await, expected);
}

async fn directives_are_checked_on_every_field(store: Store) {
    let server = Server::start(store).await;
    for document in [
        "{ __typename @foo }",
        "{ __typename @skip }",
        "{ __typename @include(if: $x) }",
        "{ __typename @include(if: 1) }",
        "query($id: ID! @skip(if: true)) { product(id: $id) { id } }",
        "query($id: ID! @foo) { product(id: $id) { id } }",
        "{ __typename @errorCode(code: INVALID) }",
    ] {
        let request = json!({ "query": document, "variables": { "id": 1 } }).to_string();
        server.post("/graphql", request).await.is_graphql_error(200, "INVALID");
    }
    let document = "query($x: Boolean!) { a: __typename b: __typename @include(if: $x) }";
    for (x, data) in [(true, json!({ "a": "Query", "b": "Query" })), (false, json!({ "a": "Query" }))] {
        assert_eq!(server.graphql(document, json!({ "x": x })).await, json!({ "data": data }));
    }
}

async fn subscriptions_may_use_fragments(store: Store) {
    let server = Server::start(store).await;
    for (id, document) in [
        (1, "subscription { ...f } fragment f on Subscription { productChanged { id kind } }"),
        (2, "subscription { ... on Subscription { productChanged { id kind } } }"),
        // Both fields are one field, so each change is sent once.
        (3, "subscription { productChanged { id } productChanged { kind } }"),
        (4, "subscription($no: Boolean = false) { ...f @skip(if: $no) productChanged @include(if: $no) { cursor } }
            fragment f on Subscription { productChanged { id kind } }"),
    ] {
        let mut events = server.subscribe(document, json!({})).await;
        for id in [id, id + 100] {
            server.post("/products", PRODUCT.replace(":1,\"name", &format!(":{id},\"name"))).await;
            let data = events.next().await.unwrap().data;
            let change = json!({ "id": id.to_string(), "kind": "CREATED" });
            assert_eq!(data, json!({ "data": { "productChanged": change } }), "{document}");
        }
    }
}

//! Input values of GraphQL: variables, defaults, null and absent values. Each case runs over every transport.

use serde_json::{Value, json};

use crate::{
    harness::{Server, Setup, Store},
    websocket::Socket,
};

on_both_stores!(
    null_never_disables_a_filter,
    null_never_disables_a_precondition,
    absent_variables_leave_fields_unchanged,
    defaults_apply_wherever_a_variable_is_used,
    variables_are_checked_before_anything_runs,
    literals_and_variables_must_have_the_right_type,
    valid_variables_are_accepted,
);

/// Sends a request over `POST`, in a batch, over `GET` and over WebSocket. Returns the response bodies.
async fn send(server: &Server, query: &str, variables: &Value) -> Vec<(&'static str, Value)> {
    let request = json!({ "query": query, "variables": variables });
    let mut responses = Vec::new();
    // The first request parses the document, and the second uses the cached document.
    for _ in 0..2 {
        responses.push(("POST", server.post("/graphql", request.to_string()).await.json()));
    }
    let batch = json!([request, request]).to_string();
    responses.push(("batch", server.post("/graphql", batch).await.json()[0].clone()));
    if query.trim_start().starts_with('q') {
        let parameters = [("query", query), ("variables", &variables.to_string())];
        let get = server.request("GET", "/graphql").header("accept", "application/json").query(&parameters);
        responses.push(("GET", server.send(get).await.json()));
    }
    let mut socket = Socket::initialized(server).await;
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": request })).await;
    let message = socket.receive().await;
    let payload = message["payload"].clone();
    let response = if message["type"] == "error" { json!({ "errors": payload }) } else { payload };
    responses.push(("WebSocket", response));
    responses
}

/// Asserts that a request is rejected before execution, and that an error message contains `text`.
async fn rejects(server: &Server, query: &str, variables: Value, text: &str) {
    for (transport, response) in send(server, query, &variables).await {
        let error = &response["errors"][0];
        let case = format!("{transport} {query} {variables} {response}");
        assert_eq!((response.get("data"), &error["extensions"]["code"]), (None, &json!("INVALID")), "{case}");
        assert!(error["message"].as_str().unwrap().contains(text), "{case}");
    }
}

async fn start(store: Store) -> Server {
    let server = Setup::new(store).await.with("STOCKMETER_GRAPHQL_BATCH", 10).start().await;
    server.post("/products", r#"{"id":1,"name":"a","price":1.5,"amount":1}"#).await;
    server
}

const ONE: &str = r#"[{"id":1,"name":"a","price":1.5,"amount":1}]"#;

async fn null_never_disables_a_filter(store: Store) {
    let server = start(store).await;
    for (field, operator, kind) in [
        ("id", "eq", "ID"),
        ("id", "in", "[ID!]"),
        ("name", "eq", "String"),
        ("name", "contains", "String"),
        ("name", "prefix", "String"),
        ("price", "gt", "Decimal"),
        ("price", "in", "[Decimal!]"),
        ("amount", "lte", "Int"),
    ] {
        let path = format!("filter.{field}.{operator}");
        let other = if field == "amount" { "price: { gte: 0 }" } else { "amount: { gte: 0 }" };
        let test = format!("{{ {field}: {{ {operator}: $v }} {other} }}");
        let mutation = format!("mutation($v: {kind}) {{ deleteProducts(filter: {test}) }}");
        let query = format!("query($v: {kind}) {{ products(filter: {test}) {{ totalCount }} }}");
        for document in [&mutation, &query] {
            rejects(&server, document, json!({ "v": null }), &path).await;
            rejects(&server, document, json!({}), &path).await;
            // A default of null is no value either, nor is a literal.
            let default = document.replace(&format!("$v: {kind}"), &format!("$v: {kind} = null"));
            rejects(&server, &default, json!({}), &path).await;
            let literal = document.replace(&format!("($v: {kind})"), "").replace(": $v", ": null");
            rejects(&server, &literal, json!({}), &path).await;
        }
        let in_variable = json!({ "f": { field: { operator: null }, "amount": { "gte": 0 } } });
        let in_variable = match field {
            "amount" => json!({ "f": { "amount": { "lte": null, "gte": 0 } } }),
            _ => in_variable,
        };
        let path = format!("$f.{field}.{operator}");
        for document in [
            "mutation($f: ProductFilter!) { deleteProducts(filter: $f) }",
            "query($f: ProductFilter) { products(filter: $f) { totalCount } }",
        ] {
            rejects(&server, document, in_variable.clone(), &path).await;
        }
    }
    // A condition without operators is no condition.
    let mutation = "mutation($id: IdFilter) { deleteProducts(filter: { id: $id, amount: { gte: 0 } }) }";
    for variables in [json!({ "id": null }), json!({})] {
        rejects(&server, mutation, variables, "filter.id").await;
    }
    let fragment = "query($p: Decimal) { ...f } fragment f on Query {
        products(filter: { price: { gt: $p } }) { totalCount } }";
    rejects(&server, fragment, json!({}), "filter.price.gt").await;
    rejects(&server, "subscription { productChanged(ids: null) { id } }", json!({}), "ids").await;
    let subscription = "subscription($ids: [ID!]) { productChanged(ids: $ids) { id } }";
    rejects(&server, subscription, json!({ "ids": null }), "ids").await;
    server.get("/products").await.is(200, ONE);
    // An absent filter and a variable with a default are valid.
    for (query, variables) in [
        ("query($f: ProductFilter) { products(filter: $f) { totalCount } }", json!({})),
        ("query($f: ProductFilter) { products(filter: $f) { totalCount } }", json!({ "f": null })),
        ("query($id: ID = 1) { products(filter: { id: { eq: $id } }) { totalCount } }", json!({})),
    ] {
        for (transport, response) in send(&server, query, &variables).await {
            let expected = json!({ "data": { "products": { "totalCount": 1 } } });
            assert_eq!(response, expected, "{transport} {query}");
        }
    }
}

async fn null_never_disables_a_precondition(store: Store) {
    let server = start(store).await;
    for mutation in [
        "deleteProduct(id: 1, expectedVersion: $v) { id }",
        "updateProduct(id: 1, input: { amount: 7 }, expectedVersion: $v) { id }",
        "adjustStock(id: 1, delta: 7, expectedVersion: $v) { id }",
    ] {
        let document = format!("mutation($v: String) {{ {mutation} }}");
        rejects(&server, &document, json!({ "v": null }), "expectedVersion").await;
        let literal = format!("mutation {{ {} }}", mutation.replace("$v", "null"));
        rejects(&server, &literal, json!({}), "expectedVersion").await;
    }
    server.get("/products").await.is(200, ONE);
}

async fn absent_variables_leave_fields_unchanged(store: Store) {
    let server = start(store).await;
    let update = "mutation($id: ID!, $name: String, $price: Decimal, $amount: Int, $version: String) {
        updateProduct(id: $id, input: { name: $name, price: $price, amount: $amount },
            expectedVersion: $version) { name price amount } }";
    for (variables, name, price, amount) in [
        (json!({ "id": 1, "amount": 2 }), "a", "1.5", 2),
        (json!({ "id": 1, "name": "b" }), "b", "1.5", 2),
        (json!({ "id": 1, "price": "2.25" }), "b", "2.25", 2),
        (json!({ "id": 1 }), "b", "2.25", 2),
    ] {
        let expected = json!({ "updateProduct": { "name": name, "price": price, "amount": amount } });
        for (transport, response) in send(&server, update, &variables).await {
            assert_eq!(response, json!({ "data": expected }), "{transport} {variables}");
        }
    }
    // Null is no new value.
    let response = server.graphql(update, json!({ "id": 1, "name": null, "amount": 9 })).await;
    assert_eq!(response["errors"][0]["extensions"]["errors"][0]["pointer"], "/name", "{response}");
    server.get("/products").await.is(200, r#"[{"id":1,"name":"b","price":2.25,"amount":2}]"#);
}

async fn defaults_apply_wherever_a_variable_is_used(store: Store) {
    let server = start(store).await;
    server.post("/products", r#"{"id":2,"name":"b","price":2,"amount":2}"#).await;
    let first = |id| json!({ "data": { "products": { "nodes": [{ "id": id }] } } });
    let order = |kind: &str, direction: &str| {
        format!(
            "query($d: {kind}) {{ products(first: 1, orderBy: [{{ field: ID, direction: {direction} }}]) {{
                nodes {{ id }} }} }}"
        )
    };
    let name = |default: &str| {
        format!(
            "query($n: String = {default}, $f: Int = 1) {{ products(first: $f, filter: {{ name: {{ eq: $n }} }}) {{
                nodes {{ id }} }} }}"
        )
    };
    let show = "query($show: Boolean = true, $hide: Boolean = false) { product(id: 1) {
        id @include(if: $show) name @skip(if: $hide) } }";
    let product = json!({ "data": { "product": { "id": "1", "name": "a" } } });
    for (query, variables, expected) in [
        // The schema's default, because the variable is absent.
        (order("OrderDirection", "$d"), json!({}), first("1")),
        (order("OrderDirection = DESC", "$d"), json!({}), first("2")),
        (order("OrderDirection! = DESC", "$d"), json!({ "d": "ASC" }), first("1")),
        (name("\"b\""), json!({}), first("2")),
        (name("\"b\""), json!({ "n": "a" }), first("1")),
        (show.to_owned(), json!({}), product),
        (show.to_owned(), json!({ "show": false, "hide": true }), json!({ "data": { "product": {} } })),
    ] {
        for (transport, response) in send(&server, &query, &variables).await {
            assert_eq!(response, expected, "{transport} {query} {variables}");
        }
    }
    // An explicit null does not take the default.
    rejects(&server, &order("OrderDirection = DESC", "$d"), json!({ "d": null }), "orderBy.direction").await;
    rejects(&server, &name("\"b\""), json!({ "n": null }), "filter.name.eq").await;
}

async fn variables_are_checked_before_anything_runs(store: Store) {
    let server = start(store).await;
    let create = "x: createProduct(input: { name: \"x\", price: 1, amount: 1 }) { name }";
    let inputs = "createProducts(inputs: $a) { id }";
    let product = json!({ "name": "x", "price": 1, "amount": 1 });
    let with = |name: &str, value: Value| {
        let mut product = product.clone();
        product[name] = value;
        json!({ "a": [product] })
    };
    for (kind, field, variables, text) in [
        ("ID!", "deleteProduct(id: $a) { id }", json!({}), "$a"),
        ("ID!", "deleteProduct(id: $a) { id }", json!({ "a": null }), "$a"),
        ("ID!", "deleteProduct(id: $a) { id }", json!({ "a": true }), "$a"),
        ("ID!", "deleteProduct(id: $a) { id }", json!({ "a": { "b": 1 } }), "$a"),
        ("Int!", "adjustStock(id: 1, delta: $a) { id }", json!({ "a": "1" }), "$a"),
        ("Int!", "adjustStock(id: 1, delta: $a) { id }", json!({ "a": 2_147_483_648_i64 }), "$a"),
        ("Int!", "adjustStock(id: 1, delta: $a) { id }", json!({ "a": 1.5 }), "$a"),
        ("[CreateProductInput!]!", inputs, json!({ "a": [null] }), "$a"),
        ("[CreateProductInput!]!", inputs, json!({ "a": [7] }), "$a"),
        ("[CreateProductInput!]!", inputs, json!({ "a": [{}] }), "$a.name"),
        ("[CreateProductInput!]!", inputs, with("amount", json!("1")), "$a.amount"),
        ("[CreateProductInput!]!", inputs, with("amount", Value::Null), "$a.amount"),
        ("[CreateProductInput!]!", inputs, with("colour", json!(1)), "$a.colour"),
        ("ProductFilter!", "deleteProducts(filter: $a)", json!({ "a": "x" }), "$a"),
        ("ProductFilter!", "deleteProducts(filter: $a)", json!({ "a": [] }), "$a"),
        ("[ID!]", "deleteProducts(filter: { id: { in: $a } })", json!({ "a": [1, null] }), "$a"),
        ("Boolean!", "deleteProduct(id: 1) @include(if: $a) { id }", json!({ "a": "true" }), "$a"),
        ("Boolean!", "deleteProduct(id: 1) @skip(if: $a) { id }", json!({}), "$a"),
    ] {
        let document = format!("mutation($a: {kind}) {{ {create} {field} }}");
        rejects(&server, &document, variables, text).await;
    }
    let order = "query($a: [ProductOrder!]) { products(orderBy: $a) { totalCount } }";
    rejects(&server, order, json!({ "a": [{ "field": "COLOUR" }] }), "$a.field").await;
    rejects(&server, order, json!({ "a": [{ "field": 1 }] }), "$a.field").await;
    let subscription = "subscription($a: [ID!]!) { productChanged(ids: $a) { id } }";
    rejects(&server, subscription, json!({}), "$a").await;
    rejects(&server, subscription, json!({ "a": [true] }), "$a").await;
    // Only the variables of the executed operation matter.
    let two = "query A($a: ID!) { product(id: $a) { id } } query B { product(id: 1) { id } }";
    let request = |name: &str| json!({ "query": two, "operationName": name }).to_string();
    server.post("/graphql", request("B")).await.is(200, r#"{"data":{"product":{"id":"1"}}}"#);
    server.post("/graphql", request("A")).await.is_graphql_error(200, "INVALID");
    server.get("/products").await.is(200, ONE);
}

async fn literals_and_variables_must_have_the_right_type(store: Store) {
    let server = start(store).await;
    for (document, text) in [
        ("query($a: Int!) { product(id: $a) { id } }", "$a"),
        ("query($a: String!) { product(id: $a) { id } }", "$a"),
        ("query($a: ID) { product(id: $a) { id } }", "$a"),
        ("query($a: [ID!]!) { product(id: $a) { id } }", "$a"),
        ("query($a: ID!) { products(filter: { id: { in: $a } }) { totalCount } }", "filter.id.in"),
        ("query($a: [ID]) { products(filter: { id: { in: $a } }) { totalCount } }", "filter.id.in"),
        ("query($a: ID) { products(filter: { id: { in: [$a] } }) { totalCount } }", "filter.id.in"),
        ("query($a: String!) { products(orderBy: { field: $a }) { totalCount } }", "orderBy.field"),
        ("query($a: String) { ...f } fragment f on Query { products(first: $a) { totalCount } }", "first"),
        ("query($a: Boolean) { product(id: 1) { id @include(if: $a) } }", "if"),
        ("query($a: Int = null) { products(filter: { amount: { gt: $a } }) { totalCount } }", "amount.gt"),
        ("query($a: Colour) { product(id: 1) { id } }", "$a"),
        ("query($a: [Colour!] = [1]) { product(id: 1) { id } }", "$a"),
        ("query($a: [Product!]) { product(id: 1) { id } }", "$a"),
        ("query($a: ProductOrderField = \"ID\") { products(orderBy: { field: $a }) { totalCount } }", "$a"),
        ("query { products(orderBy: { field: \"ID\" }) { totalCount } }", "orderBy.field"),
        ("query { products(orderBy: [{ field: ID, direction: \"ASC\" }]) { totalCount } }", "direction"),
        ("query { products(filter: 5) { totalCount } }", "filter"),
        ("query { products(filter: []) { totalCount } }", "filter"),
        ("query { products(filter: { name: { eq: 5 } }) { totalCount } }", "filter.name.eq"),
        ("query { products(filter: { name: { eq: a } }) { totalCount } }", "filter.name.eq"),
        ("query { products(filter: { amount: { lt: 2147483648 } }) { totalCount } }", "filter.amount.lt"),
        ("query { products(first: \"1\") { totalCount } }", "first"),
        ("query { product(id: true) { id } }", "id"),
        ("query { product(id: 1) { id @include(if: 1) } }", "if"),
        // Literals next to an absent variable are checked, too.
        ("query($a: Int) { products(filter: { amount: { gt: $a }, colour: 1 }) { totalCount } }", "colour"),
        (
            "query($a: Int) { products(filter: { amount: { gt: $a }, id: { eq: 1.5 } }) { totalCount } }",
            "id.eq",
        ),
    ] {
        rejects(&server, document, json!({ "a": null }), text).await;
        rejects(&server, document, json!({}), text).await;
    }
    let mutation = "mutation($n: String) { createProduct(input: { name: $n, price: 1, amount: 1 }) { id } }";
    rejects(&server, mutation, json!({ "n": "x" }), "input.name").await;
    server.get("/products").await.is(200, ONE);
}

async fn valid_variables_are_accepted(store: Store) {
    let server = start(store).await;
    let count = "{ totalCount }";
    for (variables, arguments, values) in [
        ("$a: [ID!]!", "filter: { id: { in: $a } }", json!({ "a": ["1", 2] })),
        // A single value counts as a list.
        ("$a: [ID!]", "filter: { id: { in: $a } }", json!({ "a": 1 })),
        ("$a: ID!", "filter: { id: { in: [$a, 3] } }", json!({ "a": 1 })),
        ("$a: ProductOrderField!", "orderBy: { field: $a }", json!({ "a": "PRICE" })),
        ("$a: ProductOrder!", "orderBy: [$a]", json!({ "a": { "field": "PRICE" } })),
        ("$a: ProductOrderField = ID", "orderBy: { field: $a }", json!({ "b": "unused" })),
        ("$a: Decimal!", "filter: { price: { gte: $a } }", json!({ "a": 1.5 })),
        ("$a: IdFilter!", "filter: { id: $a }", json!({ "a": { "eq": 1 } })),
        ("$a: Int, $b: String", "first: $a, after: $b", json!({ "b": null })),
    ] {
        let query = format!("query({variables}) {{ products({arguments}) {count} }}");
        for (transport, response) in send(&server, &query, &values).await {
            let expected = json!({ "data": { "products": { "totalCount": 1 } } });
            assert_eq!(response, expected, "{transport} {query} {values}");
        }
    }
}

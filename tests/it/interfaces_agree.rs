//! The same inputs through REST and GraphQL: the same products, codes and pointers.

use serde_json::{Value, json};

use crate::harness::{Server, Store};

on_both_stores!(creating_agrees, changing_and_deleting_agree);

const CREATE: &str =
    "mutation($input: CreateProductInput!) { createProduct(input: $input) { id name price amount } }";
const CREATE_MANY: &str =
    "mutation($inputs: [CreateProductInput!]!) { createProducts(inputs: $inputs) { id name price amount } }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateProductInput!) {
    updateProduct(id: $id, input: $input) { id name price amount } }";
const DELETE: &str = "mutation($id: ID!) { deleteProduct(id: $id) { id } }";

/// What came of it, in either interface's words: the products without ids' and prices' types, or the problem.
fn outcome(product: &Value, error: &Value) -> Value {
    let plain = |product: &Value| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let [id, name, price, amount] = ["id", "name", "price", "amount"].map(|field| text(&product[field]));
        json!([id, name, price, amount])
    };
    match product {
        Value::Null => json!({ "code": error["code"], "errors": error["errors"] }),
        Value::Array(products) => products.iter().map(plain).collect(),
        product => plain(product),
    }
}

async fn rest(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let request = server.request(method, path).header("content-type", "application/json");
    let answer = server.send(request.body(body.to_string())).await;
    let json = answer.json();
    if answer.status < 300 { outcome(&json, &Value::Null) } else { outcome(&Value::Null, &json) }
}

async fn graphql(server: &Server, query: &str, field: &str, variables: Value) -> Value {
    let answer = server.graphql(query, variables).await;
    outcome(&answer["data"][field], &answer["errors"][0]["extensions"])
}

async fn creating_agrees(store: Store) {
    let (one, other) = (Server::start(store).await, Server::start(store).await);
    for product in [
        json!({ "id": 5, "name": "five", "price": 5, "amount": 5 }),
        json!({ "name": "generated", "price": 0.1, "amount": 0 }),
        json!({ "id": null, "name": "  trimmed ", "price": 9_999_999_999.999_9, "amount": i32::MAX }),
        json!({ "id": 5, "name": "taken", "price": 5, "amount": 5 }),
        json!({ "id": 0, "name": " ", "price": -1, "amount": -1 }),
        json!({ "name": "x", "price": 0.00001, "amount": 1 }),
        json!({ "name": "a\u{0}b", "price": 10_000_000_000_i64, "amount": 1 }),
        json!({ "name": "Grüße, 你好, 🦀", "price": 1, "amount": 1 }),
    ] {
        let input = json!({ "input": product });
        let created = rest(&one, "POST", "/products", &product).await;
        assert_eq!(created, graphql(&other, CREATE, "createProduct", input).await, "{product}");
    }
    let good = json!({ "id": 90, "name": "a", "price": 1, "amount": 1 });
    let bad = json!({ "id": 91, "name": "", "price": 1, "amount": -1 });
    let taken = json!({ "id": 5, "name": "a", "price": 1, "amount": 1 });
    for products in [
        json!([]),
        json!([good, bad]),
        json!([good, taken]),
        json!([good, good]),
        json!([{ "name": "g", "price": 1, "amount": 1 }, good, { "name": "h", "price": 1, "amount": 1 }]),
    ] {
        let inputs = json!({ "inputs": products });
        let created = rest(&one, "POST", "/products", &products).await;
        assert_eq!(created, graphql(&other, CREATE_MANY, "createProducts", inputs).await, "{products}");
    }
    assert_eq!(one.get("/products").await.text, other.get("/products").await.text);
}

async fn changing_and_deleting_agree(store: Store) {
    let (one, other) = (Server::start(store).await, Server::start(store).await);
    for server in [&one, &other] {
        server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    }
    for (id, change) in [
        ("1", json!({ "name": "b", "price": 2.5, "amount": 2 })),
        ("1", json!({ "name": "", "price": 2.5, "amount": 2 })),
        ("1", json!({ "name": null, "price": 2, "amount": 2 })),
        ("2", json!({ "name": "b", "price": 2, "amount": 2 })),
        ("0", json!({ "name": "b", "price": 2, "amount": 2 })),
        ("x", json!({ "name": "b", "price": 2, "amount": 2 })),
    ] {
        let changed = rest(&one, "PUT", &format!("/products/{id}"), &change).await;
        let input = json!({ "id": id, "input": change });
        assert_eq!(changed, graphql(&other, UPDATE, "updateProduct", input).await, "{id} {change}");
    }
    assert_eq!(one.get("/products").await.text, other.get("/products").await.text);

    for id in ["2", "0", "x"] {
        let deleted = rest(&one, "DELETE", &format!("/products/{id}"), &Value::Null).await;
        assert_eq!(deleted, graphql(&other, DELETE, "deleteProduct", json!({ "id": id })).await);
    }
    one.delete("/products/1").await.is(204, "");
    let deleted = other.graphql(DELETE, json!({ "id": 1 })).await;
    assert_eq!(deleted["data"]["deleteProduct"]["id"], "1");
    assert_eq!(one.get("/products").await.text, other.get("/products").await.text);
}

//! REST and GraphQL return the same products, error codes and pointers for the same input.

use serde_json::{Value, json};

use crate::harness::{NORTHWIND, Server, Store};

on_both_stores!(
    creates_agree,
    updates_and_deletes_agree,
    lists_agree,
    bulk_changes_agree,
    stock_adjustments_agree,
    version_mismatches_agree,
);

const CREATE: &str =
    "mutation($input: CreateProductInput!) { createProduct(input: $input) { id name price amount } }";
const CREATE_MANY: &str =
    "mutation($inputs: [CreateProductInput!]!) { createProducts(inputs: $inputs) { id name price amount } }";
const UPSERT_MANY: &str =
    "mutation($inputs: [CreateProductInput!]!) { upsertProducts(inputs: $inputs) { id name price amount } }";
const REPLACE_MANY: &str = "mutation($inputs: [ReplaceProductInput!]!) { replaceProducts(inputs: $inputs) { id name price amount } }";
const DELETE_MANY: &str = "mutation($filter: ProductFilter!) { deleteProducts(filter: $filter) }";
const ADJUST_STOCK: &str =
    "mutation($delta: Int!) { adjustStock(id: 1, delta: $delta) { id name price amount } }";
const LIST: &str = "query($filter: ProductFilter, $orderBy: [ProductOrder!], $first: Int) {
    products(filter: $filter, orderBy: $orderBy, first: $first) { totalCount nodes { id name price amount } } }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateProductInput!) {
    updateProduct(id: $id, input: $input) { id name price amount } }";
const DELETE: &str = "mutation($id: ID!) { deleteProduct(id: $id) { id } }";

/// Returns a result in a form that REST and GraphQL share: the products with all fields as text, or the code
/// and field errors of a problem.
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

/// Asserts that both outcomes are equal and expected. `expected` is `ok` or an error code.
#[track_caller]
fn assert_agree(expected: &str, in_rest: &Value, in_graphql: &Value, case: &dyn std::fmt::Display) {
    let code = |outcome: &Value| if outcome.is_array() { "ok".into() } else { outcome["code"].clone() };
    assert_eq!((code(in_rest), code(in_graphql)), (expected.into(), expected.into()), "{case}");
    assert_eq!(in_rest, in_graphql, "{case}");
}

async fn rest(server: &Server, method: &str, path: &str, body: &Value) -> Value {
    let request = server.request(method, path).header("content-type", "application/json");
    let response = server.send(request.body(body.to_string())).await;
    let json = response.json();
    if response.status < 300 { outcome(&json, &Value::Null) } else { outcome(&Value::Null, &json) }
}

async fn graphql(server: &Server, query: &str, field: &str, variables: Value) -> Value {
    let response = server.graphql(query, variables).await;
    outcome(&response["data"][field], &response["errors"][0]["extensions"])
}

async fn creates_agree(store: Store) {
    let (by_rest, by_graphql) = (Server::start(store).await, Server::start(store).await);
    for (product, expected) in [
        (json!({ "id": 5, "name": "five", "price": 5, "amount": 5 }), "ok"),
        (json!({ "name": "generated", "price": 0.1, "amount": 0 }), "ok"),
        (json!({ "id": null, "name": "  trimmed ", "price": 9_999_999_999.999_9, "amount": i32::MAX }), "ok"),
        (json!({ "id": 5, "name": "taken", "price": 5, "amount": 5 }), "DUPLICATE_ID"),
        (json!({ "id": 0, "name": " ", "price": -1, "amount": -1 }), "INVALID"),
        (json!({ "name": "x", "price": 0.00001, "amount": 1 }), "INVALID"),
        (json!({ "name": "a\u{0}b", "price": 10_000_000_000_i64, "amount": 1 }), "INVALID"),
        (json!({ "name": "Grüße, 你好, 🦀", "price": 1, "amount": 1 }), "ok"),
    ] {
        let input = json!({ "input": product });
        let created = rest(&by_rest, "POST", "/products", &product).await;
        let in_graphql = graphql(&by_graphql, CREATE, "createProduct", input).await;
        assert_agree(expected, &created, &in_graphql, &product);
    }
    let good = json!({ "id": 90, "name": "a", "price": 1, "amount": 1 });
    let bad = json!({ "id": 91, "name": "", "price": 1, "amount": -1 });
    let taken = json!({ "id": 5, "name": "a", "price": 1, "amount": 1 });
    let generated = json!({ "name": "g", "price": 1, "amount": 1 });
    for (products, expected) in [
        (json!([]), "ok"),
        (json!([good, bad]), "INVALID"),
        (json!([good, taken]), "DUPLICATE_ID"),
        (json!([good, good]), "DUPLICATE_ID"),
        (json!([generated, good, generated]), "ok"),
    ] {
        let inputs = json!({ "inputs": products });
        let created = rest(&by_rest, "POST", "/products", &products).await;
        let in_graphql = graphql(&by_graphql, CREATE_MANY, "createProducts", inputs).await;
        assert_agree(expected, &created, &in_graphql, &products);
    }
    assert_eq!(by_rest.get("/products").await.text, by_graphql.get("/products").await.text);
}

async fn updates_and_deletes_agree(store: Store) {
    let (by_rest, by_graphql) = (Server::start(store).await, Server::start(store).await);
    for server in [&by_rest, &by_graphql] {
        server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    }
    for (id, change, expected) in [
        ("1", json!({ "name": "b", "price": 2.5, "amount": 2 }), "ok"),
        ("1", json!({ "name": "", "price": 2.5, "amount": 2 }), "INVALID"),
        ("1", json!({ "name": null, "price": 2, "amount": 2 }), "INVALID"),
        ("2", json!({ "name": "b", "price": 2, "amount": 2 }), "NOT_FOUND"),
        ("0", json!({ "name": "b", "price": 2, "amount": 2 }), "NOT_FOUND"),
        ("x", json!({ "name": "b", "price": 2, "amount": 2 }), "INVALID"),
    ] {
        let changed = rest(&by_rest, "PUT", &format!("/products/{id}"), &change).await;
        let input = json!({ "id": id, "input": change });
        let in_graphql = graphql(&by_graphql, UPDATE, "updateProduct", input).await;
        assert_agree(expected, &changed, &in_graphql, &format!("{id} {change}"));
    }
    assert_eq!(by_rest.get("/products").await.text, by_graphql.get("/products").await.text);

    for (id, expected) in [("2", "NOT_FOUND"), ("0", "NOT_FOUND"), ("x", "INVALID")] {
        let deleted = rest(&by_rest, "DELETE", &format!("/products/{id}"), &Value::Null).await;
        let in_graphql = graphql(&by_graphql, DELETE, "deleteProduct", json!({ "id": id })).await;
        assert_agree(expected, &deleted, &in_graphql, &id);
    }
    by_rest.delete("/products/1").await.is(204, "");
    let deleted = by_graphql.graphql(DELETE, json!({ "id": 1 })).await;
    assert_eq!(deleted["data"]["deleteProduct"]["id"], "1");
    assert_eq!(by_rest.get("/products").await.text, by_graphql.get("/products").await.text);
}

async fn lists_agree(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    server.post("/products", r#"{"name":"100% _Ä\\_","price":0.0001,"amount":2147483647}"#).await;
    let operators =
        json!({ "eq": "39", "gt": "39", "gte": "39", "lt": "39", "lte": "39", "in": ["39", "17"] });
    let numbers = ["id", "price", "amount"].into_iter().flat_map(|field| {
        operators.as_object().unwrap().iter().map(move |(operator, operand)| {
            let operand_in_rest = operand.as_str().map_or_else(|| "39,17".to_owned(), str::to_owned);
            // GraphQL accepts an amount only as a number.
            let operand = match (field, operand) {
                ("amount", Value::Array(_)) => json!([39, 17]),
                ("amount", _) => json!(39),
                _ => operand.clone(),
            };
            (
                format!("{field}={operator}.{operand_in_rest}"),
                json!({ "filter": { field: { operator: operand } } }),
                "ok",
            )
        })
    });
    let name = |operator: &str, operand: &str| {
        let encoded: String = operand.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let filter = json!({ "filter": { "name": { operator: operand } } });
        let expected = if operand.is_empty() || operand.contains('\n') { "INVALID" } else { "ok" };
        (format!("name={operator}.{encoded}"), filter, expected)
    };
    let order = |field: &str, direction: &str| json!({ "field": field, "direction": direction });
    let other_cases = [
        (String::new(), json!({}), "ok"),
        name("eq", "CHAI"),
        name("contains", "SIR"),
        name("contains", "ä"),
        name("contains", "Ä"),
        name("contains", "0% _"),
        name("contains", "\\"),
        name("prefix", "chef"),
        name("prefix", "Côte"),
        name("contains", ""),
        name("contains", "a\nb"),
        (
            "price=gte.10&price=lt.20&name=contains.a".to_owned(),
            json!({ "filter": { "price": { "gte": "10", "lt": 20 }, "name": { "contains": "a" } } }),
            "ok",
        ),
        ("price=gt.ten".to_owned(), json!({ "filter": { "price": { "gt": "ten" } } }), "INVALID"),
        ("price=gt.0.00001".to_owned(), json!({ "filter": { "price": { "gt": "0.00001" } } }), "INVALID"),
        ("amount=gt.-1".to_owned(), json!({ "filter": { "amount": { "gt": -1 } } }), "INVALID"),
        ("id=in.0".to_owned(), json!({ "filter": { "id": { "in": ["0"] } } }), "INVALID"),
        (
            "sort=price,-name".to_owned(),
            json!({ "orderBy": [order("PRICE", "ASC"), order("NAME", "DESC")] }),
            "ok",
        ),
        ("sort=-amount".to_owned(), json!({ "orderBy": order("AMOUNT", "DESC") }), "ok"),
        ("sort=-id".to_owned(), json!({ "orderBy": [order("ID", "DESC")] }), "ok"),
        ("sort=id,id".to_owned(), json!({ "orderBy": [order("ID", "ASC"), order("ID", "ASC")] }), "INVALID"),
    ];
    let mut found = 0;
    for (query, variables, expected) in numbers.chain(other_cases) {
        let request = server.request("GET", &format!("/products?limit=1000&count=exact&{query}"));
        let listed = server.send(request).await;
        let json = listed.json();
        let in_rest =
            if listed.status == 200 { outcome(&json, &Value::Null) } else { outcome(&Value::Null, &json) };
        let mut variables = variables;
        variables["first"] = json!(1000);
        let response = server.graphql(LIST, variables).await;
        let page = &response["data"]["products"];
        let in_graphql = outcome(&page["nodes"], &response["errors"][0]["extensions"]);
        assert_agree(expected, &in_rest, &in_graphql, &query);
        if listed.status == 200 {
            assert_eq!(listed.header("x-total-count"), page["totalCount"].to_string());
            found += json.as_array().unwrap().len();
        }
    }
    assert!(found > 500, "{found}");
}

async fn bulk_changes_agree(store: Store) {
    let (by_rest, by_graphql) = (Server::start(store).await, Server::start(store).await);
    for server in [&by_rest, &by_graphql] {
        server.post("/products", NORTHWIND).await;
    }
    let product = |id: i64, name: &str| json!({ "id": id, "name": name, "price": 1.5, "amount": 1 });
    for (products, replace, upsert) in [
        (json!([]), "ok", "ok"),
        (json!([product(2, "b"), product(1, "a")]), "ok", "ok"),
        (json!([product(1, "c"), product(100, "c")]), "NOT_FOUND", "ok"),
        (json!([product(1, "c"), product(1, "d")]), "DUPLICATE_ID", "DUPLICATE_ID"),
        (json!([product(1, ""), product(0, "d")]), "INVALID", "INVALID"),
    ] {
        let inputs = json!({ "inputs": products });
        let replaced = rest(&by_rest, "PUT", "/products", &products).await;
        let in_graphql = graphql(&by_graphql, REPLACE_MANY, "replaceProducts", inputs.clone()).await;
        assert_agree(replace, &replaced, &in_graphql, &products);
        let merge = by_rest.request("POST", "/products").header("prefer", "resolution=merge-duplicates");
        let merge = merge.header("content-type", "application/json").body(products.to_string());
        let response = by_rest.send(merge).await;
        let merged = if response.status == 200 {
            outcome(&response.json(), &Value::Null)
        } else {
            outcome(&Value::Null, &response.json())
        };
        let in_graphql = graphql(&by_graphql, UPSERT_MANY, "upsertProducts", inputs).await;
        assert_agree(upsert, &merged, &in_graphql, &products);
    }
    assert_eq!(by_rest.get("/products").await.text, by_graphql.get("/products").await.text);
    for (query, filter, expected) in [
        ("id=in.1,2,500", json!({ "id": { "in": [1, 2, 500] } }), "ok"),
        ("price=gte.100&amount=eq.0", json!({ "price": { "gte": "100" }, "amount": { "eq": 0 } }), "ok"),
        ("", json!({}), "INVALID"),
        ("name=contains.", json!({ "name": { "contains": "" } }), "INVALID"),
    ] {
        let deleted = by_rest.delete(&format!("/products?{query}")).await;
        let response = by_graphql.graphql(DELETE_MANY, json!({ "filter": filter })).await;
        if expected == "ok" {
            assert_eq!(deleted.status, 200, "{query}");
            assert!(deleted.json()["deleted"].is_u64(), "{query}");
            assert_eq!(deleted.json()["deleted"], response["data"]["deleteProducts"], "{query}");
        } else {
            let in_rest = outcome(&Value::Null, &deleted.json());
            let in_graphql = outcome(&Value::Null, &response["errors"][0]["extensions"]);
            assert_agree(expected, &in_rest, &in_graphql, &query);
        }
    }
    assert_eq!(by_rest.get("/products").await.text, by_graphql.get("/products").await.text);
}

async fn stock_adjustments_agree(store: Store) {
    let (by_rest, by_graphql) = (Server::start(store).await, Server::start(store).await);
    for (delta, expected) in [
        (1, "NOT_FOUND"),
        (-3, "ok"),
        (i32::MAX, "TOO_MUCH_STOCK"),
        (0, "ok"),
        (-i32::MAX, "INSUFFICIENT_STOCK"),
        (i32::MIN, "INVALID"),
    ] {
        let adjustment = json!({ "delta": delta });
        let in_rest = rest(&by_rest, "POST", "/products/1/stock", &adjustment).await;
        let in_graphql = graphql(&by_graphql, ADJUST_STOCK, "adjustStock", adjustment).await;
        assert_agree(expected, &in_rest, &in_graphql, &delta);
        for server in [&by_rest, &by_graphql] {
            server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":5}"#).await;
        }
    }
}

async fn version_mismatches_agree(store: Store) {
    let server = Server::start(store).await;
    let tag = server
        .post("/products", r#"{"id":1,"name":"a","price":1,"amount":5}"#)
        .await
        .header("etag")
        .to_owned();
    let old = tag.trim_matches('"');
    server.put("/products/1", r#"{"name":"b","price":1,"amount":5}"#).await;
    for (method, path, body, mutation) in [
        (
            "PATCH",
            "/products/1",
            r#"{"amount":1}"#,
            "updateProduct(id: 1, input: { amount: 1 }, expectedVersion: $v)",
        ),
        ("POST", "/products/1/stock", r#"{"delta":1}"#, "adjustStock(id: 1, delta: 1, expectedVersion: $v)"),
        ("DELETE", "/products/1", "", "deleteProduct(id: 1, expectedVersion: $v)"),
    ] {
        let request =
            server.request(method, path).header("if-match", &tag).header("content-type", "application/json");
        let rejected = server.send(request.body(body)).await;
        rejected.is_problem(412, "VERSION_MISMATCH", &[]);
        let query = format!("mutation($v: String) {{ {mutation} {{ id }} }}");
        let response = server.graphql(&query, json!({ "v": old })).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "VERSION_MISMATCH", "{mutation}");
        assert_eq!(response["errors"][0]["message"], rejected.json()["detail"]);
    }
}

//! Invalid input: the server responds with a 4xx problem and stores nothing.

use crate::harness::{Server, Store};

on_both_stores!(invalid_products_are_rejected, malformed_json_is_rejected, invalid_paths_are_rejected);

/// A field, an invalid JSON value, and the pointer of the expected field error.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    ("id", "0", "/id"),
    ("id", "-1", "/id"),
    ("id", "9007199254740992", "/id"),
    ("id", "9223372036854775808", "/id"),
    ("id", "18446744073709551617", "/id"),
    ("id", "1.5", "/id"),
    ("id", "1e99999999999999999999", "/id"),
    ("id", "\"1\"", "/id"),
    ("id", "true", "/id"),
    ("name", "\"\"", "/name"),
    ("name", "\"  \\t \"", "/name"),
    ("name", "\"nul \\u0000\"", "/name"),
    ("name", "\"bell \\u0007\"", "/name"),
    ("name", "\"half \\ud800\"", "/name"),
    ("name", "7", "/name"),
    ("name", "null", "/name"),
    ("name", "[\"x\"]", "/name"),
    ("price", "-0.01", "/price"),
    ("price", "0.00001", "/price"),
    ("price", "10000000000", "/price"),
    ("price", "9999999999.99991", "/price"),
    ("price", "1e400", "/price"),
    ("price", "1e-400", "/price"),
    ("price", "\"1\"", "/price"),
    ("price", "null", "/price"),
    ("price", "{}", "/price"),
    ("amount", "-1", "/amount"),
    ("amount", "2147483648", "/amount"),
    ("amount", "18446744073709551623", "/amount"),
    ("amount", "0.5", "/amount"),
    ("amount", "\"3\"", "/amount"),
    ("amount", "false", "/amount"),
];

async fn invalid_products_are_rejected(store: Store) {
    let server = Server::start(store).await;
    let product = |field: &str, bad: &str| {
        let fields = [("id", "1"), ("name", "\"x\""), ("price", "1"), ("amount", "1")];
        let fields =
            fields.map(|(name, good)| format!("\"{name}\":{}", if name == field { bad } else { good }));
        format!("{{{}}}", fields.join(","))
    };
    for (field, bad, pointer) in BAD_VALUES {
        server.post("/products", product(field, bad)).await.is_problem(422, "INVALID", &[pointer]);
    }
    for length in [256, 100 * 1024] {
        let long = product("name", &format!("\"{}\"", "é".repeat(length)));
        server.post("/products", long).await.is_problem(422, "INVALID", &["/name"]);
    }
    for (body, pointers) in [
        ("{}", &["/name", "/price", "/amount"][..]),
        (r#"{"name":"a","name":"b","price":1,"amount":1}"#, &["/name"]),
        (r#"{"id":1,"id":1,"name":"a","price":1,"amount":1}"#, &["/id"]),
        ("null", &[""]),
        ("7", &[""]),
        ("\"x\"", &[""]),
        ("[[]]", &["/0"]),
        ("[null, {}]", &["/0", "/1/name", "/1/price", "/1/amount"]),
    ] {
        server.post("/products", body).await.is_problem(422, "INVALID", pointers);
    }
    // At most 100 field errors are reported.
    let response = server.post("/products", format!("[{}1]", "1,".repeat(50_000))).await;
    assert_eq!((response.status, response.json()["errors"].as_array().unwrap().len()), (422, 100));
    server.get("/products").await.is(200, "[]");
}

async fn malformed_json_is_rejected(store: Store) {
    let server = Server::start(store).await;
    let deep = "[".repeat(100_000);
    let deep_value = format!(r#"{{"name":{deep}"#);
    for body in [
        "",
        " ",
        "{",
        "[",
        "{'name':'x'}",
        r#"{"name":"x","price":NaN,"amount":1}"#,
        r#"{"name":"x","price":Infinity,"amount":1}"#,
        r#"{"name":"x","price":01,"amount":1}"#,
        r#"{"name":"x","price":1.,"amount":1}"#,
        r#"{"name":"x","price":-,"amount":1}"#,
        r#"{"name":"x","price":1,"amount":1,}"#,
        r#"{"name":"x" "price":1,"amount":1}"#,
        r#"{"name":"x\","price":1,"amount":1}"#,
        r#"[{"name":"x","price":1,"amount":1},]"#,
        "{\"name\":\"x\",\"price\":1,\"amount\":1,\"a\ttab\":1}",
        r#"{"name":"x","price":1,"amount":1} {}"#,
        "{\"name\":\"line\nbreak\",\"price\":1,\"amount\":1}",
        &deep,
        &deep_value,
    ] {
        server.post("/products", body.to_owned()).await.is_problem(400, "MALFORMED", &[]);
        server.put("/products/1", body.to_owned()).await.is_problem(400, "MALFORMED", &[]);
    }
    let invalid_utf8 = b"{\"name\":\"\xff\",\"price\":1,\"amount\":1}".to_vec();
    let response = server.post("/products", invalid_utf8).await;
    response.is_problem(400, "MALFORMED", &[]);
    assert_eq!(response.json()["detail"], "the body is not valid UTF-8 at byte 9");
    server.get("/products").await.is(200, "[]");
}

async fn invalid_paths_are_rejected(store: Store) {
    let server = Server::start(store).await;
    for id in ["abc", "1.0", "1e3", "%00", "1%20", "+1", "%F0%9F%98%80", "-"] {
        server.get(&format!("/products/{id}")).await.is_problem(422, "INVALID", &["/id"]);
    }
    for id in ["0", "-1", "9007199254740992", "99999999999999999999999999"] {
        server.get(&format!("/products/{id}")).await.is_problem(404, "NOT_FOUND", &[]);
        server.delete(&format!("/products/{id}")).await.is_problem(404, "NOT_FOUND", &[]);
    }
    server.get("/products/%ff").await.is_problem(400, "MALFORMED", &[]);
    for path in ["/products/1/2", "/Products", "//products", "/%2e%2e/etc/passwd"] {
        server.get(path).await.is_problem(404, "NOT_FOUND", &[]);
    }
}

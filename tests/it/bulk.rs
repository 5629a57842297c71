//! Bulk requests: they upsert, replace or delete all their products or none.

use serde_json::{Value, json};

use crate::harness::{Response, Server, Setup, Store};

on_both_stores!(
    upserts_create_or_replace_products,
    bulk_replacements_are_atomic,
    products_are_deleted_by_filter,
    bulk_writes_without_versions_are_rejected_if_versions_are_required,
    replacements_in_opposite_orders_do_not_deadlock,
);

async fn upsert(server: &Server, body: &str) -> Response {
    let request = server.request("POST", "/products").header("prefer", "resolution=merge-duplicates");
    server.send(request.header("content-type", "application/json").body(body.to_owned())).await
}

const THREE: &str = r#"[{"id":1,"name":"a","price":1.0,"amount":1},{"id":2,"name":"b","price":2.0,"amount":2},{"id":3,"name":"c","price":3.0,"amount":3}]"#;

async fn upserts_create_or_replace_products(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", THREE).await;
    let before = server.get("/products/1").await.header("etag").to_owned();

    let one = upsert(&server, r#"{"id":1,"name":"new","price":9.5,"amount":9}"#).await;
    one.is(200, r#"{"id":1,"name":"new","price":9.5,"amount":9}"#);
    assert_eq!(one.header("preference-applied"), "resolution=merge-duplicates");
    let after = server.get("/products/1").await;
    assert_eq!((after.header("etag"), after.text.as_str()), (one.header("etag"), one.text.as_str()));
    assert_ne!(after.header("etag"), before);

    // The response keeps the order of the request for a new, a generated and an existing id.
    let several = r#"[{"id":7,"name":"g","price":1.0,"amount":1},{"name":"h","price":1.0,"amount":1},{"id":2,"name":"b2","price":1.0,"amount":1}]"#;
    let upserted = upsert(&server, several).await;
    assert_eq!(upserted.status, 200);
    let names: Vec<_> =
        upserted.json().as_array().unwrap().iter().map(|product| product["name"].clone()).collect();
    assert_eq!(names, ["g", "h", "b2"]);
    assert_eq!(upserted.json()[1]["id"], 8);
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 5);
    assert_eq!(server.get("/products/2").await.json()["name"], "b2");

    upsert(&server, r#"[{"id":1,"name":"x","price":1,"amount":1},{"id":1,"name":"y","price":1,"amount":1}]"#)
        .await
        .is_problem(409, "DUPLICATE_ID", &["/1/id"]);
    upsert(&server, r#"[{"id":1,"name":"x","price":1,"amount":1},{"id":9,"name":"","price":1,"amount":1}]"#)
        .await
        .is_problem(422, "INVALID", &["/1/name"]);
    assert_eq!(server.get("/products/1").await.text, one.text);
}

async fn bulk_replacements_are_atomic(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", THREE).await;
    let before = server.get("/products/3").await.header("etag").to_owned();

    let change =
        r#"[{"id":3,"name":"c3","price":3.5,"amount":30},{"id":1,"name":"a1","price":1.5,"amount":10}]"#;
    server.put("/products", change).await.is(200, change);
    let three = server.get("/products/3").await;
    assert_eq!(three.json()["name"], "c3");
    assert_ne!(three.header("etag"), before);
    assert_eq!(server.get("/products/2").await.json()["name"], "b");
    server.put("/products", "[]").await.is(200, "[]");

    let listed = server.get("/products").await.text;
    for (change, status, code, pointers) in [
        (
            r#"[{"id":1,"name":"x","price":1,"amount":1},{"id":9,"name":"x","price":1,"amount":1}]"#,
            404,
            "NOT_FOUND",
            &["/1/id"][..],
        ),
        (
            r#"[{"id":1,"name":"x","price":1,"amount":1},{"id":1,"name":"y","price":1,"amount":1}]"#,
            409,
            "DUPLICATE_ID",
            &["/1/id"],
        ),
        (
            r#"[{"id":1,"name":"x","price":1,"amount":1},{"name":"y","price":1,"amount":1}]"#,
            422,
            "INVALID",
            &["/1/id"],
        ),
        (
            r#"[{"id":1,"name":"x","price":1,"amount":1},{"id":2,"price":-1,"amount":1}]"#,
            422,
            "INVALID",
            &["/1/name", "/1/price"],
        ),
        (r#"[{"id":1,"name":"x","price":1,"amount":1},7]"#, 422, "INVALID", &["/1"]),
        (r#"{"id":1,"name":"x","price":1,"amount":1}"#, 400, "MALFORMED", &[]),
    ] {
        server.put("/products", change).await.is_problem(status, code, pointers);
        assert_eq!(server.get("/products").await.text, listed, "{change}");
    }
}

async fn products_are_deleted_by_filter(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", THREE).await;
    server.delete("/products?id=in.1,3,99").await.is(200, r#"{"deleted":2}"#);
    server.delete("/products?id=in.1,3").await.is(200, r#"{"deleted":0}"#);
    server.get("/products").await.is(200, r#"[{"id":2,"name":"b","price":2.0,"amount":2}]"#);

    server.delete("/products").await.is_problem(422, "INVALID", &["/id"]);
    server.delete("/products?limit=1").await.is_problem(400, "MALFORMED", &[]);
    server.delete("/products?id=in.x").await.is_problem(422, "INVALID", &["/id"]);
    let conditional = server.request("DELETE", "/products?id=eq.2").header("if-match", "*");
    server.send(conditional).await.is_problem(400, "MALFORMED", &[]);
    server.delete("/products?price=gte.2&name=prefix.B").await.is(200, r#"{"deleted":1}"#);
    server.get("/products").await.is(200, "[]");
}

async fn bulk_writes_without_versions_are_rejected_if_versions_are_required(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_REQUIRE_IF_MATCH", true).start().await;
    server.post("/products", THREE).await;
    server.put("/products", THREE).await.is_problem(428, "VERSION_REQUIRED", &[]);
    server.delete("/products?id=gte.1").await.is_problem(428, "VERSION_REQUIRED", &[]);
    upsert(&server, THREE).await.is_problem(428, "VERSION_REQUIRED", &[]);
    server.get("/products").await.is(200, THREE);
}

async fn replacements_in_opposite_orders_do_not_deadlock(store: Store) {
    let server = Server::start(store).await;
    let array = |name: &str, reverse: bool| {
        let product = |id: i32| json!({ "id": id, "name": name, "price": 1, "amount": 1 });
        let products: Value =
            if reverse { (1..=300).rev().map(product).collect() } else { (1..=300).map(product).collect() };
        products.to_string()
    };
    server.post("/products", array("first", false)).await;
    for _ in 0..5 {
        let replace = |client: usize| {
            let body = array(&client.to_string(), client.is_multiple_of(2));
            let server = &server;
            async move {
                if client < 4 { server.put("/products", body).await } else { upsert(server, &body).await }
            }
        };
        let responses = futures_util::future::join_all((0..8).map(replace)).await;
        assert!(responses.iter().all(|response| response.status == 200), "{responses:?}");
        // The request that committed last has replaced all products, so all names are equal.
        let names = server.get("/products").await.json();
        let names = names.as_array().unwrap().iter().map(|product| product["name"].to_string());
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 1);
    }
}

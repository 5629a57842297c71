//! What only GraphQL has: null for what is missing, partial changes, connections.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::{Server, Store};

on_both_stores!(
    a_missing_product_is_null,
    a_change_keeps_what_it_leaves_out,
    a_mutation_that_fails_is_null_beside_the_others,
    answers_are_in_the_order_asked,
    fields_may_be_asked_for_twice_or_skipped,
    a_document_that_was_valid_need_not_be_with_other_values,
    one_product_is_the_same_however_it_is_asked_for,
    connections_page_both_ways,
    values_to_be_in_are_taken_one_by_one,
);

async fn a_missing_product_is_null(store: Store) {
    let server = Server::start(store).await;
    for id in ["1", "0", "9007199254740992"] {
        let answer = server.graphql("query($id: ID!) { product(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(answer, json!({ "data": { "product": null } }));
    }
}

async fn a_change_keeps_what_it_leaves_out(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1.5,"amount":1}"#).await;
    let change = async |input| {
        let update = "mutation($input: UpdateProductInput!) {
            updateProduct(id: 1, input: $input) { name price amount } }";
        server.graphql(update, json!({ "input": input })).await["data"]["updateProduct"].clone()
    };
    let product = |name, price, amount| json!({ "name": name, "price": price, "amount": amount });
    assert_eq!(change(json!({})).await, product("a", "1.5", 1));
    assert_eq!(change(json!({ "name": "b" })).await, product("b", "1.5", 1));
    assert_eq!(change(json!({ "price": "2.25", "amount": 7 })).await, product("b", "2.25", 7));
    server.get("/products/1").await.is(200, r#"{"id":1,"name":"b","price":2.25,"amount":7}"#);
}

async fn a_mutation_that_fails_is_null_beside_the_others(store: Store) {
    let server = Server::start(store).await;
    let answer = server
        .graphql(
            "mutation {
                a: createProduct(input: { name: \"a\", price: 1, amount: 1 }) { id }
                b: deleteProduct(id: 99) { id }
                c: createProduct(input: { name: \"c\", price: 1, amount: 1 }) { id }
            }",
            json!({}),
        )
        .await;
    assert_eq!(answer["data"], json!({ "a": { "id": "1" }, "b": null, "c": { "id": "2" } }));
    assert_eq!(
        (&answer["errors"][0]["path"], answer["errors"].as_array().unwrap().len()),
        (&json!(["b"]), 1)
    );
}

async fn answers_are_in_the_order_asked(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    let query =
        "{ z: products(first: 1000) { ...edges nodes { price id } } a: product(id: 1) { ...p id name }
        y: __typename } fragment edges on ProductConnection { edges { cursor } }
        fragment p on Product { amount ... on Product { version: price } }";
    for _ in 0..10 {
        let body = json!({ "query": query }).to_string();
        let answer = server.post("/graphql", body).await.text;
        let places = [
            "\"z\"", "edges", "cursor", "nodes", "price", "\"id\"", "\"a\"", "amount", "version", "name",
            "\"y\"",
        ];
        let mut rest = answer.as_str();
        for place in places {
            rest = rest.split_once(place).unwrap_or_else(|| panic!("{place} is not next in {answer}")).1;
        }
    }
}

async fn fields_may_be_asked_for_twice_or_skipped(store: Store) {
    let server = Server::start(store).await;
    let product = json!({ "id": 1, "name": "\"é\\", "price": 1.5, "amount": 7 });
    server.post("/products", product.to_string()).await;
    let once = "{ products { edges { node { id n: name } __typename } nodes { amount price } }
        product(id: 1) { id n: name __typename } }";
    let twice = "{ products { edges { node { id } __typename } edges { node { n: name } } nodes { amount } }
        products { nodes { price } } product(id: 1) { id __typename } product(id: 1) { n: name } }";
    let expected = json!({
        "products": {
            "edges": [{ "node": { "id": "1", "n": product["name"] }, "__typename": "ProductEdge" }],
            "nodes": [{ "amount": 7, "price": "1.5" }],
        },
        "product": { "id": "1", "n": product["name"], "__typename": "Product" },
    });
    for query in [once, twice] {
        assert_eq!(server.graphql(query, json!({})).await["data"], expected, "{query}");
    }
    let skipped = "query($no: Boolean!) { products { nodes { id @include(if: $no) ...f @include(if: $no) }
        edges { cursor @include(if: $no) node { id @skip(if: true) } } }
        product(id: 1) { id @skip(if: true) } } fragment f on Product { name }";
    let expected = json!({ "products": { "nodes": [{}], "edges": [{ "node": {} }] }, "product": {} });
    assert_eq!(server.graphql(skipped, json!({ "no": false })).await["data"], expected);
}

async fn a_document_that_was_valid_need_not_be_with_other_values(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    let product = "query($id: ID!, $show: Boolean = true) { product(id: $id) { id @include(if: $show) } }";
    let filtered = "query($filter: ProductFilter) { products(filter: $filter) { nodes { id } } }";
    let ordered = "query($field: String) { products(orderBy: { field: $field }) { nodes { id } } }";
    for (document, variables, valid) in [
        (product, json!({ "id": "1" }), true),
        (product, json!({ "id": true }), false),
        (product, json!({ "id": 1 }), true),
        (product, json!({ "id": 1.5 }), false),
        (product, json!({ "id": ["1"] }), false),
        (product, json!({ "id": null }), false),
        (product, json!({ "id": "1", "show": false }), true),
        (product, json!({ "id": "1", "show": "yes" }), false),
        (filtered, json!({ "filter": { "amount": { "gte": 1 } } }), true),
        (filtered, json!({ "filter": { "amount": { "gte": "1" } } }), false),
        (ordered, json!({ "field": "NAME" }), true),
        (ordered, json!({ "field": "COLOUR" }), false),
    ] {
        // The second time it is known.
        for _ in 0..2 {
            let answer = server.graphql(document, variables.clone()).await;
            // What is not valid is not carried out.
            assert_eq!(answer["data"].is_object(), valid, "{document} {variables} {answer}");
            assert_eq!(answer["errors"].is_null(), valid, "{document} {variables} {answer}");
        }
    }
}

const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    products(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id } }
        pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
    } }";

/// A plain query for one product is answered without the library as soon as its document was valid once.
async fn one_product_is_the_same_however_it_is_asked_for(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":7,"name":"a \"b\"","price":1.50,"amount":2}"#).await;
    let ask = async |id: &Value, selection: &str| {
        let query = format!("query One($id: ID!) {{ one: product(id: $id) {selection} }}");
        server.post("/graphql", json!({ "query": query, "variables": { "id": id } }).to_string()).await.text
    };
    let fields = "{ __typename key: id name price version amount }";
    let same = async |id: Value| {
        let expected = ask(&id, &format!("@include(if: true) {fields}")).await;
        for _ in 0..2 {
            assert_eq!(ask(&id, fields).await, expected, "{id}");
        }
        expected
    };
    assert!(same(json!("7")).await.contains(r#""name":"a \"b\"","price":"1.5","#));
    let long = "7".repeat(30);
    for id in
        [json!(7), json!("007"), json!("8"), json!("-7"), json!(""), json!("x"), json!(7.5), json!(long)]
    {
        same(id).await;
    }
    for _ in 0..2 {
        assert_eq!(ask(&json!(7), "{ id id }").await, r#"{"data":{"one":{"id":"7"}}}"#);
    }
    for (operation, expected) in [(Value::Null, r#""id":"7""#), (json!("Other"), "Unknown operation")] {
        let request = json!({ "query": "{ product(id: 7) { id } }", "operationName": operation }).to_string();
        for _ in 0..2 {
            let answer = server.post("/graphql", request.clone()).await.text;
            assert!(answer.contains(expected), "{answer}");
        }
    }
    let database = server.behind_the_back().await;
    database.execute_unprepared("ALTER TABLE product RENAME TO gone").await.unwrap();
    assert!(same(json!(7)).await.contains("UNAVAILABLE"));
}

async fn connections_page_both_ways(store: Store) {
    let server = Server::start(store).await;
    let products: Vec<_> =
        (1..=5).map(|id| json!({ "id": id * 10, "name": "x", "price": 1, "amount": 1 })).collect();
    server.post("/products", Value::from(products).to_string()).await;
    let page = async |arguments: Value| {
        let answer = server.graphql(PAGE, arguments).await;
        let page = answer["data"]["products"].clone();
        let edges = page["edges"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        let ids: Vec<_> = edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()).collect();
        let info = &page["pageInfo"];
        assert_eq!(edges.first().map_or(&Value::Null, |edge| &edge["cursor"]), &info["startCursor"]);
        assert_eq!(edges.last().map_or(&Value::Null, |edge| &edge["cursor"]), &info["endCursor"]);
        let more = (info["hasPreviousPage"].as_bool().unwrap(), info["hasNextPage"].as_bool().unwrap());
        (ids, more, info["startCursor"].clone(), info["endCursor"].clone())
    };

    let (ids, more, _, end) = page(json!({ "first": 2 })).await;
    assert_eq!((ids, more), (vec!["10".into(), "20".into()], (false, true)));
    let (ids, more, _, end) = page(json!({ "first": 2, "after": end })).await;
    assert_eq!((ids, more), (vec!["30".into(), "40".into()], (true, true)));
    let (ids, more, ..) = page(json!({ "first": 2, "after": end })).await;
    assert_eq!((ids, more), (vec!["50".into()], (true, false)));

    let (ids, more, start, _) = page(json!({ "last": 2 })).await;
    assert_eq!((ids, more), (vec!["40".into(), "50".into()], (true, false)));
    // A cursor holds its place when its product is gone.
    server.delete("/products/40").await;
    let (ids, more, ..) = page(json!({ "last": 9, "before": start })).await;
    assert_eq!((ids, more), (vec!["10".into(), "20".into(), "30".into()], (false, true)));

    assert_eq!(page(json!({ "first": 0 })).await.0, Vec::<String>::new());
    assert_eq!(page(json!({})).await.0.len(), 4);
    for (arguments, pointer) in [
        (json!({ "first": -1 }), "/first"),
        (json!({ "last": 1001 }), "/last"),
        (json!({ "first": 1, "last": 1 }), "/last"),
        (json!({ "after": "MTA=x" }), "/after"),
        (json!({ "before": "" }), "/before"),
    ] {
        let error = server.graphql(PAGE, arguments).await["errors"][0]["extensions"].clone();
        assert_eq!((&error["code"], &error["errors"][0]["pointer"]), (&json!("INVALID"), &json!(pointer)));
    }
}

async fn values_to_be_in_are_taken_one_by_one(store: Store) {
    let server = Server::start(store).await;
    server
        .post("/products", r#"[{"name":"a","price":7,"amount":1},{"name":"a","price":50,"amount":1}]"#)
        .await;
    let delete = "mutation($prices: [Decimal!]) { deleteProducts(filter: { price: { in: $prices } }) }";
    // A decimal comma is no list.
    let refused = server.graphql(delete, json!({ "prices": ["7,50"] })).await;
    assert_eq!(refused["errors"][0]["extensions"]["errors"][0]["pointer"], "/price");
    for (prices, deleted) in [(json!([]), 0), (json!(["7", 50]), 2)] {
        let answer = server.graphql(delete, json!({ "prices": prices })).await;
        assert_eq!(answer, json!({ "data": { "deleteProducts": deleted } }));
    }
}

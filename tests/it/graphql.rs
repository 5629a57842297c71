//! Behaviour specific to GraphQL: null for missing products, partial updates, connections, cached documents.

use opentelemetry_proto::tonic::trace::v1::Span;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::harness::{Collector, Server, Setup, Store, attributes};

on_both_stores!(
    a_missing_product_is_null,
    updates_keep_omitted_fields,
    a_failed_mutation_does_not_affect_the_others,
    response_fields_keep_the_order_of_the_query,
    fields_can_be_repeated_or_skipped,
    variables_are_validated_for_cached_documents,
    product_lookups_match_the_executor,
    connections_page_forwards_and_backwards,
    filter_values_are_not_split_at_commas,
    numbers_keep_their_digits,
    product_lookups_are_traced,
);

async fn a_missing_product_is_null(store: Store) {
    let server = Server::start(store).await;
    for id in ["1", "0", "9007199254740992"] {
        let response =
            server.graphql("query($id: ID!) { product(id: $id) { id } }", json!({ "id": id })).await;
        assert_eq!(response, json!({ "data": { "product": null } }));
    }
}

async fn updates_keep_omitted_fields(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1.5,"amount":1}"#).await;
    let update = async |input| {
        let mutation = "mutation($input: UpdateProductInput!) {
            updateProduct(id: 1, input: $input) { name price amount } }";
        server.graphql(mutation, json!({ "input": input })).await["data"]["updateProduct"].clone()
    };
    let product = |name, price, amount| json!({ "name": name, "price": price, "amount": amount });
    assert_eq!(update(json!({})).await, product("a", "1.5", 1));
    assert_eq!(update(json!({ "name": "b" })).await, product("b", "1.5", 1));
    assert_eq!(update(json!({ "price": "2.25", "amount": 7 })).await, product("b", "2.25", 7));
    server.get("/products/1").await.is(200, r#"{"id":1,"name":"b","price":2.25,"amount":7}"#);
}

async fn a_failed_mutation_does_not_affect_the_others(store: Store) {
    let server = Server::start(store).await;
    let response = server
        .graphql(
            "mutation {
                a: createProduct(input: { name: \"a\", price: 1, amount: 1 }) { id }
                b: deleteProduct(id: 99) { id }
                c: createProduct(input: { name: \"c\", price: 1, amount: 1 }) { id }
            }",
            json!({}),
        )
        .await;
    assert_eq!(response["data"], json!({ "a": { "id": "1" }, "b": null, "c": { "id": "2" } }));
    assert_eq!(
        (&response["errors"][0]["path"], response["errors"].as_array().unwrap().len()),
        (&json!(["b"]), 1)
    );
}

async fn response_fields_keep_the_order_of_the_query(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    let query =
        "{ z: products(first: 1000) { ...edges nodes { price id } } a: product(id: 1) { ...p id name }
        y: __typename } fragment edges on ProductConnection { edges { cursor } }
        fragment p on Product { amount ... on Product { version: price } }";
    for _ in 0..10 {
        let body = json!({ "query": query }).to_string();
        let response = server.post("/graphql", body).await.text;
        let expected_order = [
            "\"z\"", "edges", "cursor", "nodes", "price", "\"id\"", "\"a\"", "amount", "version", "name",
            "\"y\"",
        ];
        let mut rest = response.as_str();
        for key in expected_order {
            rest = rest.split_once(key).unwrap_or_else(|| panic!("{key} is not next in {response}")).1;
        }
    }
}

async fn fields_can_be_repeated_or_skipped(store: Store) {
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

async fn variables_are_validated_for_cached_documents(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    let product = "query($id: ID!, $show: Boolean = true) { product(id: $id) { id @include(if: $show) } }";
    let filtered = "query($filter: ProductFilter) { products(filter: $filter) { nodes { id } } }";
    let ordered =
        "query($field: ProductOrderField!) { products(orderBy: { field: $field }) { nodes { id } } }";
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
        // The first request parses the document, and the second uses the cached document.
        for _ in 0..2 {
            let response = server.graphql(document, variables.clone()).await;
            // Invalid requests are not executed, so they have no data.
            assert_eq!(response["data"].is_object(), valid, "{document} {variables} {response}");
            assert_eq!(response["errors"].is_null(), valid, "{document} {variables} {response}");
        }
    }
}

const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    products(first: $first, after: $after, last: $last, before: $before) {
        edges { cursor node { id } }
        pageInfo { hasPreviousPage hasNextPage startCursor endCursor }
    } }";

/// A plain query for one product with a cached document does not use async-graphql's executor. A query with
/// `@include` always uses the executor, so its response is the expected one.
async fn product_lookups_match_the_executor(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":7,"name":"a \"b\"","price":1.50,"amount":2}"#).await;
    let query_product = async |id: &Value, selection: &str| {
        let query = format!("query One($id: ID!) {{ one: product(id: $id) {selection} }}");
        server.post("/graphql", json!({ "query": query, "variables": { "id": id } }).to_string()).await.text
    };
    let fields = "{ __typename key: id name price version amount }";
    let compare = async |id: Value| {
        let expected = query_product(&id, &format!("@include(if: true) {fields}")).await;
        for _ in 0..2 {
            assert_eq!(query_product(&id, fields).await, expected, "{id}");
        }
        expected
    };
    assert!(compare(json!("7")).await.contains(r#""name":"a \"b\"","price":"1.5","#));
    let long = "7".repeat(30);
    for id in
        [json!(7), json!("007"), json!("8"), json!("-7"), json!(""), json!("x"), json!(7.5), json!(long)]
    {
        compare(id).await;
    }
    for _ in 0..2 {
        assert_eq!(query_product(&json!(7), "{ id id }").await, r#"{"data":{"one":{"id":"7"}}}"#);
    }
    for (operation, expected) in [(Value::Null, r#""id":"7""#), (json!("Other"), "Unknown operation")] {
        let request = json!({ "query": "{ product(id: 7) { id } }", "operationName": operation }).to_string();
        for _ in 0..2 {
            let response = server.post("/graphql", request.clone()).await.text;
            assert!(response.contains(expected), "{response}");
        }
    }
    let database = server.direct_connection().await;
    database.execute_unprepared("ALTER TABLE product RENAME TO gone").await.unwrap();
    assert!(compare(json!(7)).await.contains("UNAVAILABLE"));
}

async fn connections_page_forwards_and_backwards(store: Store) {
    let server = Server::start(store).await;
    let products: Vec<_> =
        (1..=5).map(|id| json!({ "id": id * 10, "name": "x", "price": 1, "amount": 1 })).collect();
    server.post("/products", Value::from(products).to_string()).await;
    let page = async |arguments: Value| {
        let response = server.graphql(PAGE, arguments).await;
        let page = response["data"]["products"].clone();
        let edges = page["edges"].as_array().unwrap_or_else(|| panic!("{response}")).clone();
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
    // A cursor stays valid after its product was deleted.
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

async fn filter_values_are_not_split_at_commas(store: Store) {
    let server = Server::start(store).await;
    server
        .post("/products", r#"[{"name":"a","price":7,"amount":1},{"name":"a","price":50,"amount":1}]"#)
        .await;
    let delete = "mutation($prices: [Decimal!]) { deleteProducts(filter: { price: { in: $prices } }) }";
    // A comma in a value does not separate two values.
    let rejected = server.graphql(delete, json!({ "prices": ["7,50"] })).await;
    assert_eq!(rejected["errors"][0]["extensions"]["errors"][0]["pointer"], "/price");
    for (prices, deleted) in [(json!([]), 0), (json!(["7", 50]), 2)] {
        let response = server.graphql(delete, json!({ "prices": prices })).await;
        assert_eq!(response, json!({ "data": { "deleteProducts": deleted } }));
    }
}

/// A price in JSON or in a document is never converted to floating point, which keeps at most 17 digits.
async fn numbers_keep_their_digits(store: Store) {
    let server = Server::start(store).await;
    let create = "mutation($input: CreateProductInput!) { createProduct(input: $input) { price } }";
    let literal = |price: &str| {
        let query = format!(
            "mutation {{ createProduct(input: {{ name: \"1.25\", price: {price}, amount: 3 }}) {{ price }} }}"
        );
        json!({ "query": query }).to_string()
    };
    let default = |price: &str| {
        let query = format!(
            "mutation($price: Decimal! = {price}) {{
                createProduct(input: {{ name: \"x\", price: $price, amount: 3 }}) {{ price }} }}"
        );
        json!({ "query": query }).to_string()
    };
    let variable = |price: &str| {
        let query = json!(create);
        format!(r#"{{"query":{query},"variables":{{"input":{{"name":"1.25","price":{price},"amount":3}}}}}}"#)
    };
    // The last two prices have too many decimals. Floating point would round them to valid prices.
    for (price, expected) in [
        ("1234567890.1234", Some("1234567890.1234")),
        ("9999999999.9999", Some("9999999999.9999")),
        ("1.50", Some("1.5")),
        ("12345e-1", Some("1234.5")),
        ("1.2345000000000000000000001", None),
        ("9999999999.99990000000000001", None),
    ] {
        let rest = server.post("/products", format!(r#"{{"name":"x","price":{price},"amount":3}}"#)).await;
        match expected {
            Some(_) => assert!(rest.text.contains(r#""price":"#), "{}", rest.text),
            None => assert_eq!(rest.status, 422, "{}", rest.text),
        }
        for body in [literal(price), default(price), variable(price)] {
            let response = server.post("/graphql", body.clone()).await.json();
            if let Some(price) = expected {
                assert_eq!(response["data"]["createProduct"]["price"], price, "{body}");
            } else {
                let errors = &response["errors"][0]["extensions"]["errors"];
                assert_eq!(errors[0]["pointer"], "/price", "{body} {response}");
            }
        }
    }
    let prices = server.get("/products").await.text;
    assert_eq!(prices.matches(r#""price":1234567890.1234,"#).count(), 4, "{prices}");
    assert_eq!(prices.matches(r#""price":9999999999.9999,"#).count(), 4, "{prices}");
    // A number with a fraction or an exponent is not an id or an integer.
    for arguments in
        ["product(id: 1.0) { id }", "products(first: 1.0) { nodes { id } }", "product(id: 1e0) { id }"]
    {
        let response = server.graphql(&format!("{{ {arguments} }}"), json!({})).await;
        assert_eq!(response["errors"][0]["extensions"]["code"], "INVALID", "{arguments}");
    }
}

/// The product lookup records the same spans as the executor.
async fn product_lookups_are_traced(store: Store) {
    let collector = Collector::start().await;
    let setup = Setup::new(store).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let server = setup.with("OTEL_BSP_SCHEDULE_DELAY", 50).start().await;
    let spans = async |trace: &str| {
        let query = json!({ "query": "query Q { one: product(id: 1) { name } }" }).to_string();
        let request = server.request("POST", "/graphql").header("content-type", "application/json");
        let request = request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")).body(query);
        assert_eq!(server.send(request).await.text, r#"{"data":{"one":null}}"#);
        let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let is_root = |span: &Span| span.name == "POST /graphql" && hex(&span.trace_id) == trace;
        let mut spans = collector.wait_for(|arrived| arrived.spans.iter().any(is_root)).await.spans;
        spans.retain(|span| hex(&span.trace_id) == trace);
        let describe = |span: &Span| {
            let parent = spans.iter().find(|other| other.span_id == span.parent_span_id);
            let mut attributes = attributes(&span.attributes);
            attributes.retain(|name, _| name.starts_with("graphql."));
            (span.name.clone(), parent.map(|parent| parent.name.clone()), attributes)
        };
        let mut described: Vec<_> = spans.iter().map(describe).collect();
        described.sort();
        described
    };
    let executed = spans("4bf92f3577b34da6a3ce929d0e0e4736").await;
    let looked_up = spans("5bf92f3577b34da6a3ce929d0e0e4736").await;
    assert_eq!(executed.len(), 4, "{executed:?}");
    assert_eq!(executed, looked_up);
}

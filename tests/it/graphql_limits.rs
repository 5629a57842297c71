//! GraphQL limits: hostile requests are rejected before execution, each with a specific error code.

use serde_json::json;

use crate::harness::{Server, Setup, Store};

on_both_stores!(
    hostile_documents_are_rejected,
    small_requests_with_large_results_are_rejected,
    brackets_in_strings_and_comments_do_not_count,
    limits_are_configurable,
    slow_operations_time_out,
);

fn repeat(count: usize, text: &str) -> String {
    (0..count).map(|n| text.replace('#', &n.to_string())).collect()
}

fn fields(count: usize, field: &str) -> String {
    format!("{{ {} }}", repeat(count, field))
}

/// Returns a chain of fragments, each of which spreads the next one twice.
fn wide(kind: &str, levels: usize) -> String {
    let text = repeat(levels, &format!("fragment w# on {kind} {{ ...x#, ...x#, }} "));
    (0..levels).fold(text, |text, n| text.replace(&format!("...x{n},"), &format!("...w{},", n + 1)))
}

fn nested(count: usize, open: &str, close: &str) -> String {
    format!("{{ product(id: {}1{}) {{ id }} }}", open.repeat(count), close.repeat(count))
}

fn create(input: &str) -> String {
    format!("mutation {{ createProduct(input: {{ name: \"x\", {input} }}) {{ id }} }}")
}

async fn hostile_documents_are_rejected(store: Store) {
    let server = Server::start(store).await;
    // Each fragment spreads the next one twice, so a few kilobytes expand to at least 2^30 fields.
    let doubling = repeat(30, "fragment f# on Query { ...g# ...g# } fragment g# on Query { ...h# } ");
    let doubling =
        (0..30).fold(doubling, |text, n| text.replace(&format!("...h{n} "), &format!("...f{} ", n + 1)));
    let doubling = format!("{{ ...f0 }} {doubling}");
    let pages = wide("ProductConnection", 15) + "fragment w15 on ProductConnection { __typename }";
    let deep =
        |n| format!("fragment f{n} on Query {{ {}...f{}{} }} ", "...{".repeat(50), n + 1, "}".repeat(50));
    let deep_chain: String = (0..50).map(deep).collect();
    let chain: String = (0..300).map(|n| format!("fragment f{n} on Query {{ ...f{} }} ", n + 1)).collect();
    for (document, code) in [
        ("{".to_owned(), "MALFORMED"),
        ("{ product(id: 1) { id } ".to_owned(), "MALFORMED"),
        (create("price: 1e400, amount: 1"), "MALFORMED"),
        ("{ nothing }".to_owned(), "INVALID"),
        (create("price: true, amount: 1"), "INVALID"),
        (create("price: 1"), "INVALID"),
        (format!("{{ product(id: \"{}\") {{ id }} }}", "1".repeat(70_000)), "DOCUMENT_TOO_LARGE"),
        (nested(2000, "[", "]"), "TOO_DEEP"),
        // The check of the depth must find the brackets after these strings and comments.
        (format!("query($a: String = \"\"\" \" \"\"\") {}", nested(2000, "[", "]")), "TOO_DEEP"),
        (format!("query($a: String = \"\\\\\") {}", nested(2000, "[", "]")), "TOO_DEEP"),
        (format!("{{ a: product(id: \"\n{}", "[".repeat(2000)), "TOO_DEEP"),
        (format!("# \"\n{}", nested(2000, "[", "]")), "TOO_DEEP"),
        (format!("{{ product(id: [\"\"\"x\" {} ]) {{ id }} }}", "[".repeat(600)), "TOO_DEEP"),
        (nested(2000, "{a:", "}"), "TOO_DEEP"),
        (format!("query($a: Int = {}) {{ __typename }}", "[".repeat(5000)), "TOO_DEEP"),
        (format!("{{ products {}", "{ edges { node ".repeat(200)), "TOO_DEEP"),
        (format!("{{ ...f0 }} {chain}"), "TOO_DEEP"),
        (format!("{{ ...f0 }} {deep_chain}"), "TOO_DEEP"),
        (doubling, "TOO_DEEP"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".to_owned(), "TOO_DEEP"),
        (
            format!("{{ ...w0 }} {} fragment w10 on Query {{ product(id: 1) {{ id }} }}", wide("Query", 10)),
            "TOO_MANY_ROOT_FIELDS",
        ),
        // Validation visits the whole selection even if the page is empty.
        (format!("{{ products(first: 0) {{ ...w0 }} }} {pages}"), "TOO_COSTLY"),
        (format!("{{ products(first: -5) {{ ...w0 }} }} {pages}"), "TOO_COSTLY"),
        // Unused fragments are rejected before validation, because validation would check them all.
        (
            format!(
                "{{ product(id: 1) {{ id }} }} {}",
                repeat(200, "fragment f# on Product { x: id x: name } ")
            ),
            "INVALID",
        ),
        (fields(40, "a#: products(first: null, last: 1000) { nodes { id name } } "), "TOO_COSTLY"),
        (format!("{{ products(first: 0) {} }}", fields(200, "totalCount ")), "TOO_COSTLY"),
        (fields(300, "__typename "), "TOO_MANY_ROOT_FIELDS"),
        (fields(101, "a#: product(id: 1) { id } "), "TOO_MANY_ROOT_FIELDS"),
        (format!("{{ product(id: 1) {} }}", fields(300, "a#: id ")), "TOO_MANY_ALIASES"),
        (format!("{{ product(id: 1) {{ id {} }} }}", repeat(60, "@skip(if: false) ")), "TOO_MANY_DIRECTIVES"),
        (format!("query {} {{ __typename }}", repeat(60, "@x ")), "TOO_MANY_DIRECTIVES"),
        (fields(30, "a#: products(first: 1000) { edges { cursor } } "), "TOO_COSTLY"),
        (fields(99, "a#: products { edges { cursor } } __typename "), "TOO_MANY_ROOT_FIELDS"),
        (
            format!("query($n: Int = 1000) {}", fields(40, "a#: products(first: $n) { nodes { id name } } ")),
            "TOO_COSTLY",
        ),
        (format!("{{ products(first: 1000) {{ nodes {} }} }}", fields(100, "a#: __typename ")), "TOO_COSTLY"),
    ] {
        let response = server.post("/graphql", json!({ "query": document }).to_string()).await;
        let found = response.json()["errors"][0]["extensions"]["code"].clone();
        assert_eq!(found, code, "{document:.80}: {}", response.text);
        response.is_graphql_error(200, code);
    }
    server.get("/products").await.is(200, "[]");
}

async fn small_requests_with_large_results_are_rejected(store: Store) {
    let server = Server::start(store).await;
    // Introspection fields return lists too.
    let fragments = wide("__Field", 12) + "fragment w12 on __Field { name }";
    let schema =
        json!({ "query": format!("{{ __schema {{ types {{ fields {{ ...w0 }} }} }} }} {fragments}") });
    server.post("/graphql", schema.to_string()).await.is_graphql_error(200, "TOO_COSTLY");
    // The value of a variable is copied at each use, so its size counts several times.
    let repeated_variable = format!(
        "query($i: ID!) {{ products(filter: {{ id: {{ in: [{}] }} }}) {{ totalCount }} }}",
        "$i ".repeat(2000)
    );
    for (query, variables, status, code) in [
        (repeated_variable.as_str(), json!({ "i": "1".repeat(10_000) }), 200, "TOO_MANY_VALUES"),
        (
            "query($i: [ID!]) { a: products(filter: { id: { in: $i } }) { totalCount }
                b: products(filter: { id: { in: $i } }) { totalCount } }",
            json!({ "i": vec![1; 30_000] }),
            200,
            "TOO_MANY_VALUES",
        ),
        ("{ __typename }", json!({ "i": vec![1; 60_000] }), 413, "BODY_TOO_LARGE"),
        // serde_json's private key for raw JSON has no special meaning in a request.
        (
            "query($i: [ID!]) { products(filter: { id: { in: $i } }) { totalCount } }",
            json!({ "i": { "$serde_json::private::RawValue": "[1]" } }),
            200,
            "INVALID",
        ),
    ] {
        let request = json!({ "query": query, "variables": variables });
        server.post("/graphql", request.to_string()).await.is_graphql_error(status, code);
    }
    // The number of inputs multiplies the cost of the selection.
    let inputs = vec![json!({ "name": "x", "price": 1, "amount": 1 }); 1000];
    for mutation in ["createProducts", "upsertProducts"] {
        let many = format!(
            "mutation($inputs: [CreateProductInput!]!) {{ {mutation}(inputs: $inputs) {} }}",
            fields(100, "a#: id ")
        );
        let request = json!({ "query": many, "variables": { "inputs": inputs } });
        server.post("/graphql", request.to_string()).await.is_graphql_error(200, "TOO_COSTLY");
    }
    server.get("/products").await.is(200, "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_documents_do_not_fill_the_memory() {
    let server = Server::start(Store::Sqlite).await;
    let before = server.resident_bytes();
    for number in 0..200 {
        // Each document is within the limits, although its fragments expand to 20,000 fields.
        let fields = |level| repeat(7, &format!("a#{number} {{ ...f{level} }} "));
        let fragments: String =
            (0..4).map(|level| format!("fragment f{level} on T {{ {} }} ", fields(level + 1))).collect();
        let document = format!("{{ q {{ ...f0 }} }} {fragments} fragment f4 on T {{ {} }}", repeat(7, "a# "));
        let response = server.post("/graphql", json!({ "query": document }).to_string()).await;
        response.is_graphql_error(200, "INVALID");
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 100 << 20, "{grown} bytes more");
}

async fn brackets_in_strings_and_comments_do_not_count(store: Store) {
    let server = Server::start(store).await;
    let name = "[".repeat(200);
    let response = server.graphql(&format!("query {{ product(id: 1) {{ id }} }} # {name}"), json!({})).await;
    assert_eq!(response, json!({ "data": { "product": null } }));
    let response = server.graphql(&create(&format!("price: \"{name}\", amount: 1")), json!({})).await;
    assert_eq!(response["errors"][0]["extensions"]["errors"][0]["pointer"], "/price");
}

async fn limits_are_configurable(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_GRAPHQL_INTROSPECTION", false);
    let setup = setup.with("STOCKMETER_GRAPHQL_DEPTH", 3).with("STOCKMETER_GRAPHQL_BATCH", 2);
    let setup = setup.with("STOCKMETER_GRAPHQL_ALIASES", 1).with("STOCKMETER_GRAPHQL_COST", 300);
    let server = setup.with("STOCKMETER_GRAPHQL_BYTES", 200).start().await;
    let execute =
        async |document: &str| server.post("/graphql", json!({ "query": document }).to_string()).await;
    for document in ["{ __schema { types { name } } }", "{ __type(name: \"Product\") { name } }"] {
        execute(document).await.is_graphql_error(200, "INTROSPECTION_DISABLED");
    }
    execute("{ __typename }").await.is(200, r#"{"data":{"__typename":"Query"}}"#);
    execute("{ products { edges { node { id } } } }").await.is_graphql_error(200, "TOO_DEEP");
    execute("{ products(first: 9) { nodes { id } } }").await.is(200, r#"{"data":{"products":{"nodes":[]}}}"#);
    execute("{ products(first: 90) { nodes { id } } }").await.is_graphql_error(200, "TOO_COSTLY");
    execute("{ a: __typename b: __typename }").await.is_graphql_error(200, "TOO_MANY_ALIASES");
    execute(&format!("{{ __typename }} # {}", "x".repeat(200)))
        .await
        .is_graphql_error(200, "DOCUMENT_TOO_LARGE");

    let batch = |count| format!("[{}]", vec![r#"{"query":"{ __typename }"}"#; count].join(","));
    let one = r#"{"data":{"__typename":"Query"}}"#;
    server.post("/graphql", batch(2)).await.is(200, &format!("[{one},{one}]"));
    server.post("/graphql", batch(3)).await.is_graphql_error(400, "BATCH_TOO_LARGE");
}

async fn slow_operations_time_out(store: Store) {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    let server = Setup::new(store).await.with("STOCKMETER_GRAPHQL_TIMEOUT", "200ms").start().await;
    let holder = server.direct_connection().await;
    let transaction = holder.begin().await.unwrap();
    transaction.execute_unprepared("DELETE FROM product").await.unwrap();
    transaction.execute_unprepared("INSERT INTO product VALUES (1, 'a', 1, 1, 1)").await.unwrap();
    let request = server.request("POST", "/graphql").header("content-type", "application/json");
    let request = request.header("accept", "application/graphql-response+json");
    let query = json!({ "query": create("price: 1, amount: 1, id: 1") });
    let response = server.send(request.body(query.to_string())).await;
    response.is_graphql_error(503, "TIMEOUT");
    assert_eq!(response.header("retry-after"), "1");
    transaction.rollback().await.unwrap();
}

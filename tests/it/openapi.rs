//! The OpenAPI document is one that Swagger UI, validators and generated clients can use.

use std::collections::BTreeSet;

use regex::Regex;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};
use stockmeter::app::openapi;

use crate::harness::{Server, Store};

on_both_stores!(each_operation_succeeds_as_swagger_ui_fills_it_in, patterns_match_what_the_server_accepts);

fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// An operation of the document.
struct Operation {
    method: String,
    template: String,
    description: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, description) in methods.as_object().unwrap() {
            let (method, template) = (method.to_uppercase(), template.clone());
            operations.push(Operation { method, template, description: description.clone() });
        }
    }
    assert!(operations.len() > 15);
    operations
}

/// Sends each operation with the values that Swagger UI fills in, and with the example of each media type of its body.
/// An example of an optional parameter would change the result, and so only operations that fail without it have one.
async fn each_operation_succeeds_as_swagger_ui_fills_it_in(store: Store) {
    let server = Server::start(store).await;
    let document = document();
    for operation in operations(&document) {
        let bodies = operation.bodies(&document);
        for body in bodies.iter().map(Some).chain(bodies.is_empty().then_some(None)) {
            create_product(&server).await;
            let status = operation.execute(&server, body, |_| true).await;
            assert!((200..300).contains(&status), "{operation}: {status}");
        }
        for name in operation.optional_examples() {
            let status = operation.execute(&server, bodies.first(), |sent| sent != name).await;
            assert!(
                (400..500).contains(&status),
                "{operation}: the example of {name} is not needed: {status}"
            );
        }
    }
}

/// Creates the product with the id of the examples, unless it exists.
async fn create_product(server: &Server) {
    let request = server.request("PUT", "/products/1").header("if-none-match", "*");
    let product = r#"{"name":"a","price":1,"amount":1}"#;
    let response = server.send(request.header("content-type", "application/json").body(product)).await;
    assert!(matches!(response.status, 201 | 412), "{response:?}");
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

impl Operation {
    fn parameters(&self) -> impl Iterator<Item = &Map<String, Value>> {
        self.description["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| parameter.as_object().unwrap())
    }

    /// Returns the names of the optional parameters that Swagger UI fills in.
    fn optional_examples(&self) -> Vec<&str> {
        let optional = self.parameters().filter(|parameter| parameter["required"] == false);
        let filled = optional.filter(|parameter| example_of_parameter(parameter).is_some());
        filled.map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    /// Returns each media type of the body with its example.
    fn bodies(&self, document: &Value) -> Vec<(String, String)> {
        let contents = self.description["requestBody"]["content"].as_object();
        let body = |(media_type, content): (&String, &Value)| {
            let example = match content.get("example") {
                Some(example) => example.clone(),
                None => example_of_schema(document, &content["schema"]),
            };
            // Swagger UI sends text as it is.
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            (media_type.clone(), text)
        };
        contents.into_iter().flatten().map(body).collect()
    }

    /// Sends a request with the examples of the parameters for which `is_sent` is true. Returns the status, which the document
    /// must have for this operation, as well as the media type.
    async fn execute(
        &self,
        server: &Server,
        body: Option<&(String, String)>,
        is_sent: impl Fn(&str) -> bool,
    ) -> u16 {
        let (mut path, mut query) = (self.template.clone(), Vec::new());
        let mut headers = HeaderMap::new();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            let example = example_of_parameter(parameter);
            assert!(parameter["required"] == false || example.is_some(), "{self}: {name} has no example");
            let Some(example) = example.filter(|_| is_sent(name)) else {
                continue;
            };
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), &example),
                "query" => query.push((name, example)),
                _ => drop(headers.insert(HeaderName::try_from(name).unwrap(), example.try_into().unwrap())),
            }
        }
        let responses = self.description["responses"].as_object().unwrap();
        let success = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap().1;
        let accept = success["content"].as_object().and_then(|content| content.keys().next());
        let mut request = server.request(&self.method, &path).query(&query).headers(headers);
        request = request.header("accept", accept.map_or("*/*", String::as_str));
        if let Some((media_type, text)) = body {
            request = request.header("content-type", media_type).body(text.clone());
        }
        // The body is not read, because the stream of changes has no end.
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let documented = &responses[&status.to_string()];
        if let Some(media_type) = response.headers().get("content-type") {
            let media_type = media_type.to_str().unwrap().split(';').next().unwrap();
            assert!(
                documented["content"].get(media_type).is_some(),
                "{self}: {status} has the type {media_type}"
            );
        }
        status
    }
}

/// Returns the value that Swagger UI fills in for a parameter, or `None` if it fills in nothing.
fn example_of_parameter(parameter: &Map<String, Value>) -> Option<String> {
    let schema = &parameter["schema"];
    let named =
        parameter.get("examples").and_then(|examples| examples.as_object()?.values().next()?.get("value"));
    let example = parameter.get("example").or(named).or(schema.get("example")).or(schema.get("default"))?;
    Some(example.as_str().map_or_else(|| example.to_string(), str::to_owned))
}

/// Returns the value that Swagger UI fills in for a body with this schema.
fn example_of_schema(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example_of_schema(document, document.pointer(&reference[1..]).unwrap());
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    match schema["oneOf"].get(0) {
        Some(first) => example_of_schema(document, first),
        None => [example_of_schema(document, schema.get("items").expect("a body has an example"))].into(),
    }
}

/// A validator rejects what does not match a pattern, although the server would accept it.
async fn patterns_match_what_the_server_accepts(store: Store) {
    let server = Server::start(store).await;
    let document = document();
    let schema = |name: &str| {
        let parameters = document["paths"]["/products"]["get"]["parameters"].as_array().unwrap();
        parameters.iter().find(|parameter| parameter["name"] == name).unwrap()["schema"].clone()
    };
    for (name, values) in [
        ("id", &["eq.1", "in.1, 2", "lt.1e3", "gte.007", "lte.9007199254740991"][..]),
        ("name", &["eq.Café", "contains.é", "prefix.ラップ", "contains. ", "eq.a.b", "contains.\u{2028}"]),
        ("price", &["gte.19.99", "lte.9999999999.9999", "in.0.0001,1e2", "gt.-0"]),
        ("amount", &["eq.0", "in.1,2147483647"]),
        ("sort", &["id", "-id"]),
    ] {
        let pattern = pattern(&schema(name));
        for value in values {
            let response = server.send(server.request("GET", "/products").query(&[(name, value)])).await;
            assert_eq!(
                (response.status, pattern.is_match(value)),
                (200, true),
                "{name}={value}: {response:?}"
            );
        }
    }
    let name = pattern(&document["components"]["schemas"]["ProductInput"]["properties"]["name"]);
    for (value, status) in [
        ("Café", 201),
        ("ラップトップ 💻", 201),
        ("\u{a0}padded \n", 201),
        ("a\u{2028}b", 201),
        ("", 422),
        (" \n", 422),
        ("a\u{7}b", 422),
        ("a\u{9f}", 422),
    ] {
        let product = json!({ "name": value, "price": 19.99, "amount": 1 });
        let response = server.post("/products", product.to_string()).await;
        assert_eq!((response.status, name.is_match(value)), (status, status == 201), "{value:?}");
    }
}

fn pattern(schema: &Value) -> Regex {
    Regex::new(schema["pattern"].as_str().unwrap()).unwrap()
}

#[test]
fn generators_find_a_name_for_each_operation_and_a_schema_for_each_body() {
    let document = document();
    // In binary floating point, 19.99 is not a multiple of 0.0001.
    assert!(!document.to_string().contains("multipleOf"));
    let operations = operations(&document);
    let names: BTreeSet<_> =
        operations.iter().map(|operation| operation.description["operationId"].as_str()).collect();
    assert_eq!((names.len(), names.contains(&None)), (operations.len(), false));
    for operation in &operations {
        let body = &operation.description["requestBody"];
        let responses = operation.description["responses"].as_object().unwrap().values();
        for content in responses.chain([body]).filter_map(|body| body["content"].as_object()).flatten() {
            let schema = content.1["schema"].as_object();
            assert!(schema.is_some_and(|schema| !schema.is_empty()), "{operation}: {}", content.0);
        }
    }
}

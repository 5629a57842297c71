//! HTTP features that do not depend on the route: compression, CORS, `OPTIONS`, `HEAD`, HTTP/2, request ids.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{NORTHWIND, Server, Setup, Store, TIMEOUT, http_client};

on_both_stores!(
    large_responses_are_compressed_as_requested,
    other_origins_are_allowed_only_if_configured,
    cors_does_not_change_responses,
    options_lists_methods_and_head_matches_get,
    http2_works_without_tls,
    split_connection_preface_is_detected,
    log_lines_carry_the_request_id,
);

async fn large_responses_are_compressed_as_requested(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let encoded = async |path: &str, accept: &str| {
        let response = server.request("GET", path).header("accept-encoding", accept).send().await.unwrap();
        let header = |name: &str| {
            response
                .headers()
                .get_all(name)
                .iter()
                .next_back()
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (encoding, vary) = (header("content-encoding"), header("vary"));
        (encoding.unwrap_or_default(), vary.unwrap_or_default(), response.bytes().await.unwrap())
    };
    let plain = encoded("/products", "identity").await.2;
    for encoding in ["gzip", "br", "zstd"] {
        let (used, vary, bytes) = encoded("/products", encoding).await;
        assert_eq!((used.as_str(), vary.as_str()), (encoding, "accept-encoding"));
        assert!(bytes.len() < plain.len() / 2, "{encoding}: {} of {}", bytes.len(), plain.len());
    }
    // A client that accepts no encoding gets an uncompressed response. A 406 response would be wrong, because
    // the change is already committed.
    for (coding, first) in [("*;q=0", 200), ("identity;q=0.0", 300)] {
        let products =
            (first..first + 50).map(|id| json!({ "id": id, "name": "a", "price": 1, "amount": 1 }));
        let request = server.request("POST", "/products").header("accept-encoding", coding);
        let request = request.header("content-type", "application/json");
        let response = server.send(request.body(products.collect::<Value>().to_string())).await;
        assert_eq!((response.status, response.json().as_array().unwrap().len()), (201, 50), "{coding}");
    }
    // A response with an ETag is never compressed, because a strong ETag identifies its exact bytes.
    let long = format!(r#"{{"id":100,"name":"{}","price":1,"amount":1}}"#, "名".repeat(255));
    let tag = server.post("/products", long).await.header("etag").to_owned();
    assert_eq!(encoded("/products/100", "gzip").await.0, "");
    assert_eq!(server.get("/products/100").await.header("etag"), tag);
    assert_eq!(encoded("/products/1", "gzip").await.0, "");
}

async fn other_origins_are_allowed_only_if_configured(store: Store) {
    let preflight = async |server: &Server, origin: &str| -> HeaderMap {
        let request = server.request("OPTIONS", "/products/1").header("origin", origin);
        let request = request.header("access-control-request-method", "PATCH");
        let response = server.send(request.header("access-control-request-headers", "if-match")).await;
        response.headers
    };
    let without_cors = Server::start(store).await;
    assert!(
        !preflight(&without_cors, "https://shop.example").await.contains_key("access-control-allow-origin")
    );

    let setup =
        Setup::new(store).await.with("STOCKMETER_CORS_ORIGINS", "https://shop.example,http://localhost:3000");
    let with_cors = setup.start().await;
    for (origin, allowed) in
        [("https://shop.example", true), ("http://localhost:3000", true), ("https://evil.example", false)]
    {
        let headers = preflight(&with_cors, origin).await;
        assert_eq!(headers.get("access-control-allow-origin").is_some_and(|value| value == origin), allowed);
    }
    let request = with_cors.request("GET", "/products").header("origin", "https://shop.example");
    let response = with_cors.send(request).await;
    assert_eq!(response.header("access-control-allow-origin"), "https://shop.example");
    assert!(response.header("access-control-expose-headers").contains("etag"));
}

/// With CORS, every request passes through the router. Without CORS, some requests are dispatched directly.
async fn cors_does_not_change_responses(store: Store) {
    let without_cors = Server::start(store).await;
    let with_cors = Setup::new(store).await.with("STOCKMETER_CORS_ORIGINS", "*").start().await;
    let product = r#"{"id":7,"name":"Chai","price":18,"amount":39}"#;
    let query = r#"{"query":"{ product(id: 7) { name } products(first: 2) { nodes { id } } }"}"#;
    for (method, path, body) in [
        ("POST", "/products", NORTHWIND),
        ("POST", "/products", product),
        ("POST", "/products", product),
        ("POST", "/products?count=true", "{"),
        ("GET", "/products", ""),
        ("GET", "/products?limit=x", ""),
        ("GET", "/products/7", ""),
        ("GET", "/products/%37", ""),
        ("GET", "/products/70000", ""),
        ("GET", "/products/x", ""),
        ("HEAD", "/products/7", ""),
        ("POST", "/graphql", query),
        ("POST", "/graphql", "{"),
    ] {
        let described = async |server: &Server| {
            let request = server.request(method, path).header("content-type", "application/json");
            let response = server.send(request.header("if-none-match", "\"other\"").body(body)).await;
            let names = response.headers.keys().map(|name| name.as_str().to_owned());
            let is_cors_header = |name: &String| name == "vary" || name.starts_with("access-control-");
            let mut names: Vec<_> = names.filter(|name| !is_cors_header(name)).collect();
            names.sort();
            // Problems contain the request id, which differs between the servers.
            let body = response.text.replace(response.header("x-request-id"), "");
            (response.status, names, response.header("content-length").to_owned(), body)
        };
        assert_eq!(described(&without_cors).await, described(&with_cors).await, "{method} {path}");
    }
    let counted = async |server: &Server| -> Vec<String> {
        let text = server.get("/metrics").await.text;
        let counts = text.lines().filter(|line| line.starts_with("http_requests_total"));
        counts.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
    };
    assert_eq!(counted(&without_cors).await, counted(&with_cors).await);
}

async fn options_lists_methods_and_head_matches_get(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let options = server.send(server.request("OPTIONS", "/products/1")).await;
    options.is(204, "");
    assert_eq!(options.header("allow"), "GET,HEAD,PUT,PATCH,DELETE");
    for path in ["/products", "/products/1", "/metrics", "/health"] {
        let (get, head) = (server.get(path).await, server.send(server.request("HEAD", path)).await);
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert_eq!(get.header("cache-control"), "no-cache", "{path}");
        assert!(get.header("server-timing").starts_with("total;dur="), "{path}");
    }
}

async fn http2_works_without_tls(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", NORTHWIND).await;
    let client = http_client().http2_prior_knowledge().build().unwrap();
    let response = client.get(server.url("/products")).send().await.unwrap();
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    assert_eq!(response.text().await.unwrap(), server.get("/products").await.text);
}

async fn split_connection_preface_is_detected(store: Store) {
    let server = Server::start(store).await;
    let send_first_part = async |part: &str| {
        let mut client = TcpStream::connect(&server.address).await.unwrap();
        client.set_nodelay(true).unwrap();
        client.write_all(part.as_bytes()).await.unwrap();
        // The server has usually read the first part before it responds to this request.
        server.get("/health/live").await;
        client
    };
    let rest = "UT /products HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (start, rest, expected) in [("P", rest, "HTTP/1.1"), ("PRI * HT", "TP/2.0\r\n\r\nSM\r\n\r\n", "\0\0")]
    {
        let mut client = send_first_part(start).await;
        client.write_all(rest.as_bytes()).await.unwrap();
        let mut received = vec![0; expected.len()];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(received, expected.as_bytes(), "{start}");
    }
    // The server does not wait for the rest of a preface if the client has closed its sending side.
    let mut client = send_first_part("P").await;
    client.shutdown().await.unwrap();
    let end = tokio::time::timeout(TIMEOUT, client.read_to_end(&mut Vec::new())).await;
    assert!(end.is_ok(), "the connection stays open");
}

async fn log_lines_carry_the_request_id(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_ACCESS_LOG", "true").start().await;
    let (id, trace) = (r#""a\b""#, "4bf92f3577b34da6a3ce929d0e0e4736");
    let request = server.request("GET", "/health/live").header("x-request-id", id);
    server.send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    let line: Value = serde_json::from_str(&server.log.wait_for_line("\"target\":\"access\"").await).unwrap();
    let span = json!({ "name": "request", "address": "127.0.0.1", "id": id, "trace_id": trace, "method": "GET", "path": "/health/live" });
    assert_eq!(line["span"], span);
}

#[tokio::test]
async fn ids_are_taken_only_from_trusted_peers() {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (trusted, is_taken) in [("", true), ("127.0.0.0/8", true), ("192.0.2.0/24", false)] {
        let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_ACCESS_LOG", "true");
        let server = setup.with("STOCKMETER_TRUSTED_PROXIES", trusted).start().await;
        let request = server.request("GET", "/nowhere").header("x-request-id", "mine");
        let response =
            server.send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
        response.is_problem(404, "NOT_FOUND", &[]);
        let id = response.header("x-request-id");
        assert_eq!((id == "mine", id.len() == 36), (is_taken, !is_taken), "{trusted}: {id}");
        let line = server.log.wait_for_request("access", id).await;
        assert_eq!(line["span"]["trace_id"] == trace, is_taken, "{trusted}: {line}");
    }
}

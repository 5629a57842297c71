//! What web pages can make a browser send to the server.

use reqwest::RequestBuilder;

use crate::harness::{Server, Setup, Store, http_client};

const PRODUCT: &str = r#"{"id":7,"name":"Chai","price":18,"amount":39}"#;
const JSON: &str = "application/json";
const QUERY: &str = "/graphql?query=%7B__typename%7D";

/// Methods, paths and `Accept` of requests that change data or open an event stream.
const EFFECTIVE: [(&str, &str, &str); 12] = [
    ("POST", "/products", ""),
    ("PUT", "/products", ""),
    ("DELETE", "/products?id=eq.7", ""),
    ("PUT", "/products/7", ""),
    ("PATCH", "/products/7", ""),
    ("DELETE", "/products/7", ""),
    ("POST", "/products/7/stock", ""),
    ("POST", "/graphql", ""),
    ("POST", "/nowhere", ""),
    ("GET", "/products/changes", "text/event-stream"),
    ("GET", "/products/changes", "*/*"),
    ("GET", QUERY, "text/html, Text/Event-Stream;q=0.5"),
];

/// Paths that pages may request, because the requests only read.
const HARMLESS: [(&str, &str); 7] = [
    ("GET", "/products"),
    ("HEAD", "/products"),
    ("OPTIONS", "/products"),
    ("GET", "/products/7"),
    ("GET", QUERY),
    ("GET", "/docs/"),
    ("GET", "/health/live"),
];

/// Returns a request with these headers, without the empty ones.
fn request(server: &Server, method: &str, path: &str, headers: &[(&str, &str)]) -> RequestBuilder {
    let headers = headers.iter().filter(|(_, value)| !value.is_empty());
    headers.fold(server.request(method, path), |request, (name, value)| request.header(*name, *value))
}

/// Asserts that the request is rejected because of its origin.
async fn is_foreign(server: &Server, request: RequestBuilder) {
    let response = server.send(request).await;
    response.is_problem(403, "FORBIDDEN", &[]);
    let detail = response.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("STOCKMETER_CORS_ORIGINS"), "{detail}");
    assert_eq!(response.header("www-authenticate"), "");
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "https://shop.example");
    let server = setup.start().await;
    server.post("/products", PRODUCT).await;
    let products = server.get("/products").await.text;
    let own = format!("http://{}", server.address);
    let other_scheme = format!("https://{}", server.address);
    let other_name = own.replace("127.0.0.1", "localhost");
    let other_port = format!("{own}0");
    for (site, origin) in [
        ("cross-site", ""),
        ("same-site", ""),
        ("same-site", &own),
        ("cross-site", &own),
        ("cross-site", "https://evil.example"),
        ("Same-Origin", ""),
        ("", "https://evil.example"),
        ("", "https://shop.example.evil.example"),
        ("", "http://shop.example"),
        ("", &other_name),
        ("", &other_port),
        ("", "null"),
        ("cross-site", "null"),
    ] {
        let headers = [("sec-fetch-site", site), ("origin", origin), ("content-type", JSON)];
        for (method, path, accept) in EFFECTIVE {
            let headers = [&headers[..], &[("accept", accept)]].concat();
            is_foreign(&server, request(&server, method, path, &headers).body(PRODUCT)).await;
        }
        let headers = [&headers[..2], &[("connection", "upgrade"), ("upgrade", "WebSocket")]].concat();
        is_foreign(&server, request(&server, "GET", "/graphql", &headers)).await;
        for (method, path) in HARMLESS {
            let status = server.send(request(&server, method, path, &headers[..2])).await.status;
            assert!(status < 300, "{method} {path} {site} {origin}: {status}");
        }
    }
    assert_eq!(server.get("/products").await.text, products);

    for (site, origin) in [
        ("", ""),
        ("same-origin", ""),
        ("same-origin", &own),
        ("none", ""),
        ("", &own),
        ("", &other_scheme),
        ("", "https://shop.example"),
        ("same-site", "https://shop.example"),
        ("cross-site", "https://shop.example"),
    ] {
        let headers = [("sec-fetch-site", site), ("origin", origin), ("content-type", JSON)];
        for (method, path, accept) in EFFECTIVE {
            let headers = [&headers[..], &[("accept", accept)]].concat();
            // The body of an event stream has no end.
            let response = request(&server, method, path, &headers).body(PRODUCT).send().await.unwrap();
            assert_ne!(response.status().as_u16(), 403, "{method} {path} {site} {origin}");
        }
        let headers = [&headers[..2], &[("connection", "upgrade"), ("upgrade", "websocket")]].concat();
        assert_eq!(server.send(request(&server, "GET", "/graphql", &headers)).await.status, 400);
    }
}

#[tokio::test]
async fn a_token_is_no_exemption() {
    let server = Setup::new(Store::Sqlite).await.with("STOCKMETER_METRICS_TOKEN", "s3cret").start().await;
    let headers = [("authorization", "Bearer s3cret"), ("origin", "https://evil.example")];
    is_foreign(&server, request(&server, "POST", "/products", &headers).body(PRODUCT)).await;
}

#[tokio::test]
async fn any_origin_may_be_allowed() {
    let server = Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "*").start().await;
    let headers = [("origin", "https://a.example"), ("sec-fetch-site", "cross-site"), ("content-type", JSON)];
    let response = server.send(request(&server, "POST", "/products", &headers).body(PRODUCT)).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (201, "*"));
    // Without an origin, the page is unknown.
    is_foreign(&server, request(&server, "POST", "/products", &headers[1..]).body(PRODUCT)).await;
}

#[tokio::test]
async fn http2_has_the_same_rule() {
    let server = Server::start(Store::Sqlite).await;
    let http2 = http_client().http2_prior_knowledge().build().unwrap();
    let own = format!("http://{}", server.address);
    for (origin, status) in [(own.as_str(), 201), ("https://evil.example", 403)] {
        let request = http2.post(server.url("/products")).header("origin", origin);
        let response = request.header("content-type", JSON).body(PRODUCT).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{origin}");
    }
}

//! Requests that web pages can make a browser send to the server.

use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::harness::{Server, Setup, Store, http_client, run_script};

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

async fn status_for_host(server: &Server, host: &str) -> u16 {
    server.send(server.request("GET", "/products").header("host", host)).await.status
}

#[tokio::test]
async fn loopback_listeners_serve_only_loopback_hosts() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_METRICS_LISTEN", "127.0.0.1:0");
    let server = setup.start().await;
    let metrics = server.log.wait_for_line("metrics on").await;
    let metrics: Value = serde_json::from_str(&metrics).unwrap();
    let metrics = format!("http://{}/metrics", metrics["address"].as_str().unwrap());
    for (host, status) in [
        ("localhost", 200),
        ("LocalHost:8000", 200),
        ("shop.localhost:1", 200),
        ("127.0.0.1", 200),
        ("127.8.9.1:65535", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:80", 421),
        ("0.0.0.0", 421),
        ("192.168.0.1", 421),
    ] {
        assert_eq!(status_for_host(&server, host).await, status, "{host}");
        let scraped = server.send(server.http.get(&metrics).header("host", host)).await;
        assert_eq!(scraped.status, status, "{host}");
    }
    let response = server.send(server.request("POST", "/graphql").header("host", "evil.example")).await;
    response.is_problem(421, "MISDIRECTED", &[]);
    let detail = response.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("evil.example") && detail.contains("STOCKMETER_HOSTS"), "{detail}");
    // Programs may omit the host. Browsers never do.
    for request in
        ["GET /products HTTP/1.0\r\n\r\n", "GET /products HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"]
    {
        assert!(server.send_raw(request).await.contains(" 200 "), "{request}");
    }
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(server.send_raw(absolute).await.starts_with("HTTP/1.1 421 "));

    // The address of the connection does not matter on HTTP/2 either.
    let loopback = server.address.parse().unwrap();
    let http2 = http_client().http2_prior_knowledge().resolve("evil.example", loopback).build().unwrap();
    let url = format!("http://evil.example:{}/products", loopback.port());
    assert_eq!(http2.get(url).send().await.unwrap().status().as_u16(), 421);
}

#[tokio::test]
async fn a_setting_names_the_hosts() {
    let setup = Setup::new(Store::Sqlite)
        .await
        .with("STOCKMETER_ANONYMOUS", "read")
        .with("STOCKMETER_LISTEN", "0.0.0.0:0");
    let any = setup.clone().start().await;
    assert_eq!(status_for_host(&any, "evil.example").await, 200);

    let server = setup.with("STOCKMETER_HOSTS", "shop.example, *.b.example").start().await;
    for (host, status) in [
        ("Shop.Example:8000", 200),
        ("a.b.example", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("b.example", 421),
        ("a.shop.example", 421),
        ("localhost", 421),
        ("192.168.0.1", 421),
    ] {
        assert_eq!(status_for_host(&server, host).await, status, "{host}");
    }
    let health =
        server.setup.command().args(["healthcheck", "--listen", &server.address]).output().await.unwrap();
    assert!(health.status.success(), "{health:?}");

    let loopback = Setup::new(Store::Sqlite).await.with("STOCKMETER_HOSTS", "shop.example").start().await;
    for (host, status) in [("shop.example", 200), ("localhost", 200), ("evil.example", 421)] {
        assert_eq!(status_for_host(&loopback, host).await, status, "{host}");
    }
    let invalid =
        loopback.setup.command().args(["--hosts", "shop.example:80", "schema"]).output().await.unwrap();
    let text = String::from_utf8(invalid.stderr).unwrap();
    assert!(!invalid.status.success() && text.contains("must be a host name such as shop.example"), "{text}");
}

#[tokio::test]
async fn cors_does_not_open_the_metrics() {
    let server = Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "*").start().await;
    for (path, is_open) in
        [("/products", true), ("/health", true), ("/metrics", false), ("/metrics/slow", false)]
    {
        for method in ["GET", "HEAD", "OPTIONS", "POST"] {
            let headers = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
            let response = server.send(request(&server, method, path, &headers)).await;
            let has_header = response.headers.keys().any(|name| name.as_str().starts_with("access-control-"));
            assert_eq!(has_header, is_open, "{method} {path}");
        }
    }
}

/// Bodies of beacons and of `no-cors` requests may have no media type, or one of a form.
#[tokio::test]
async fn a_body_needs_a_content_type() {
    let server = Server::start(Store::Sqlite).await;
    let query = r#"{"query":"mutation { deleteProduct(id: 7) { id } }"}"#;
    let form = "application/x-www-form-urlencoded";
    for (method, path, body, accept) in [
        ("POST", "/products", PRODUCT, "application/json, text/csv, application/x-ndjson"),
        ("PUT", "/products", "[]", JSON),
        ("PUT", "/products/7", PRODUCT, JSON),
        ("PATCH", "/products/7", "{}", "application/json, application/merge-patch+json"),
        ("POST", "/products/7/stock", r#"{"delta":1}"#, JSON),
        ("POST", "/graphql", query, JSON),
    ] {
        for kind in [None, Some(""), Some("text/plain"), Some(form), Some("multipart/form-data; boundary=x")]
        {
            let typed = kind
                .into_iter()
                .fold(server.request(method, path), |request, kind| request.header("content-type", kind));
            let response = server.send(typed.body(body)).await;
            assert_eq!(
                (response.status, response.header("accept")),
                (415, accept),
                "{method} {path} {kind:?}"
            );
        }
        // An empty body is malformed, with or without a type.
        assert_eq!(server.send(server.request(method, path)).await.status, 400, "{method} {path}");
    }
    // A length that is not declared is no way around the rule.
    let chunked = format!(
        "POST /products HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{PRODUCT}\r\n0\r\n\r\n",
        PRODUCT.len()
    );
    assert!(server.send_raw(&chunked).await.starts_with("HTTP/1.1 415 "));
    server.get("/products").await.is(200, "[]");
}

#[tokio::test]
async fn pages_are_protected_and_media_types_are_not_guessed() {
    let server = Server::start(Store::Sqlite).await;
    for path in [
        "/",
        "/products",
        "/products/7",
        "/nowhere",
        "/docs/swagger-ui.css",
        "/docs/",
        "/graphql",
        "/metrics",
    ] {
        let response = server.get(path).await;
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        let is_page = response.header("content-type").starts_with("text/html");
        assert_eq!(is_page, ["/docs/", "/graphql"].contains(&path), "{path}");
        let policy = response.header("content-security-policy");
        assert_eq!(
            policy.contains("frame-ancestors 'none'") && policy.starts_with("default-src 'none'"),
            is_page
        );
        assert_eq!(response.header("referrer-policy"), if is_page { "no-referrer" } else { "" });
    }
    let preflight = server.send(server.request("OPTIONS", "/products")).await;
    assert_eq!(preflight.header("x-content-type-options"), "nosniff");
}

/// Serves a page on a port of its own and returns the port.
async fn serve_page(html: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Chromium also opens connections without a request.
            tokio::spawn(async move {
                if stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
                    let headers = format!("Content-Type: text/html\r\nContent-Length: {}", html.len());
                    let response = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n\r\n{html}");
                    let _ = stream.write_all(response.as_bytes()).await;
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_protects_the_server_from_pages_of_other_origins() {
    let server = Server::start(Store::Sqlite).await;
    server.post("/products", PRODUCT).await;
    let products = server.get("/products").await.text;
    let port = serve_page(include_str!("../clients/attacks.html")).await;
    for (origins, host) in [(1.0, "127.0.0.1"), (2.0, "localhost")] {
        let output = run_script("attacks.mjs", &[&format!("http://{host}:{port}/"), &server.url("")]).await;
        let output: Value = serde_json::from_str(&output).unwrap();
        let read = output["read"].as_object().unwrap();
        assert!(read.len() == 12 && read.values().all(|text| text == ""), "{host}: {output}");
        assert_eq!(output["pending"], serde_json::json!([]), "{host}: {output}");
        assert_eq!(server.get("/products").await.text, products, "{host}");
        // Each attack that needs no preflight has reached the server.
        for (series, attacks) in [
            (r#"endpoint="/products",method="POST",status_code="403""#, 4.0),
            (r#"endpoint="/graphql",method="POST",status_code="403""#, 4.0),
            (r#"endpoint="/graphql",method="GET",status_code="403""#, 1.0),
            (r#"endpoint="/products/changes",method="GET",status_code="403""#, 1.0),
        ] {
            let count = server.metric(&format!("http_requests_total{{{series}}}")).await;
            assert_eq!(count, Some(attacks * origins), "{host} {series}");
        }
    }
    // After DNS rebinding, the server appears as the page's own origin.
    let address = server.url("/products").replace("127.0.0.1", "rebound.example");
    assert_eq!(run_script("attacks.mjs", &[&address, &server.url("")]).await, "421\n");
}

/// `Accept` header that browsers send for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn browsers_get_the_console_and_programs_get_json() {
    let server = Server::start(Store::Sqlite).await;
    for (accept, media_type) in [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("application/json;q=0.5, Text/HTML", "text/html"),
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        ("text/html;q=0.9, application/json", JSON),
        ("text/html;q=0", JSON),
        ("image/png", JSON),
    ] {
        for method in ["GET", "HEAD"] {
            let response = server.send(request(&server, method, "/", &[("accept", accept)])).await;
            assert!(response.header("content-type").starts_with(media_type), "{accept} {response:?}");
            assert_eq!((response.status, response.header("vary")), (200, "accept"), "{accept}");
        }
    }
}

#[tokio::test]
async fn the_console_loads_only_its_own_files() {
    let server = Server::start(Store::Sqlite).await;
    let page = server.send(request(&server, "GET", "/", &[("accept", BROWSER)])).await;
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let addresses = page.text.split("=\"/console/").skip(1);
    let files: Vec<&str> = addresses.map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in &files {
        let response = server.get(&format!("/console/{file}")).await;
        let script = response.header("content-type") == "text/javascript; charset=utf-8";
        assert_eq!((response.status, script), (200, file.split('.').next_back() == Some("js")), "{file}");
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable", "{file}");
    }
    for path in ["/console/0/console.js", &format!("/console/{}s", files[0])] {
        server.get(path).await.is_problem(404, "NOT_FOUND", &[]);
    }
}

#[tokio::test]
async fn consoles_can_be_switched_off() {
    let server = Setup::new(Store::Sqlite).await.with("STOCKMETER_CONSOLES", false).start().await;
    for path in ["/docs", "/docs/", "/docs/swagger-ui.css"] {
        server.get(path).await.is_problem(404, "NOT_FOUND", &[]);
    }
    let page = server.request("GET", "/graphql").header("accept", "text/html");
    server.send(page).await.is_graphql_error(400, "MALFORMED");
    let query = server.request("GET", QUERY).header("accept", "text/html");
    server.send(query).await.is(200, r#"{"data":{"__typename":"Query"}}"#);
    let index = server.send(request(&server, "GET", "/", &[("accept", BROWSER)])).await;
    assert_eq!((index.header("content-type"), index.header("vary")), (JSON, ""));
    let index = index.json();
    assert_eq!(
        (&index["links"]["docs"], &index["links"]["openapi"]),
        (&Value::Null, &"/openapi.json".into())
    );
}

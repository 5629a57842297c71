//! Request headers and addresses that HTTP defines for every route: `Host`, `Upgrade`, `Authorization`, encodings,
//! trailing slashes.

use reqwest::redirect::Policy;

use crate::harness::{NORTHWIND, Server, Setup, Store, http_client};

async fn start() -> Server {
    Server::start(Store::Sqlite).await
}

#[tokio::test]
async fn upgrades_to_unknown_protocols_are_ignored() {
    let server = start().await;
    let query = "/graphql?query=%7B__typename%7D";
    for upgrade in ["h2c", "H2C", "TLS/1.0", "foo/2, bar", "h2c, websocket", ""] {
        let request = format!(
            "GET {query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        );
        let response = server.send_raw(&request).await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.contains(r#""__typename""#), "{response}");
        for path in ["/products", "/health", "/docs/"] {
            let response = server.send_raw(&request.replace(query, path)).await;
            assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        }
    }
    // HTTP/1.0 has no upgrades.
    let request = format!("GET {query} HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(server.send_raw(&request).await.starts_with("HTTP/1.0 200 "));
}

#[tokio::test]
async fn ambiguous_bodies_are_rejected() {
    let server = start().await;
    let post = "POST /products HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    for codings in
        ["gzip, chunked", "identity, chunked", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked"]
    {
        let request = format!("{post}Transfer-Encoding: {codings}\r\n\r\n2\r\n[]\r\n0\r\n\r\n");
        let response = server.send_raw(&request).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{codings}: {response}");
    }
    for chunks in ["x\r\n[]\r\n0\r\n\r\n", "0x2\r\n[]\r\n0\r\n\r\n", "2\r\n[]x\r\n0\r\n\r\n"] {
        let response = server.send_raw(&format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{chunks:?}: {response}");
        assert!(response.contains(r#""code":"MALFORMED""#), "{chunks:?}: {response}");
    }
}

#[tokio::test]
async fn http_1_1_requires_one_valid_host() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "*");
    let server = setup.with("STOCKMETER_HOSTS", "a,shop_1.example").start().await;
    let status = async |request: &str, version: &str, headers: &str| {
        let request = format!("{request} HTTP/{version}\r\n{headers}Connection: close\r\n\r\n");
        let response = server.send_raw(&request).await;
        let status = response.split(' ').nth(1).unwrap().to_owned();
        assert_eq!(status == "400", response.contains(r#""detail":"Host "#), "{headers:?}: {response}");
        status
    };
    for request in ["GET /products", "GET /graphql", "GET /health/live", "GET /nowhere", "OPTIONS /products"]
    {
        for headers in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host: a b\r\n",
            "Host: a/b\r\n",
            "Host: user@a\r\n",
            "Host: a:b\r\n",
            "Host: a:1:2\r\n",
            "Host: a, b:80, c\r\n",
            "Host: [::1\r\n",
            "Host: \u{e4}\r\n",
            // A preflight request is rejected as well.
            "Host: a b\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n",
        ] {
            assert_eq!(status(request, "1.1", headers).await, "400", "{request} {headers}");
        }
    }
    for host in ["a", "a:", "a:8000", "127.0.0.1:80", "[::1]", "[::1]:80", "shop_1.example", ""] {
        assert_eq!(status("GET /products", "1.1", &format!("Host: {host}\r\n")).await, "200", "{host}");
    }
    assert_eq!(status("GET http://a/products", "1.1", "Host: a\r\n").await, "200");
    assert_eq!(status("GET http://a/products", "1.1", "").await, "400");
    assert_eq!(status("GET /products", "1.0", "").await, "200");
    assert_eq!(status("GET /products", "1.0", "Host: a\r\nHost: b\r\n").await, "400");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains(r#"endpoint="/products",method="GET",status_code="400""#), "{metrics}");

    let http2 = http_client().http2_prior_knowledge().build().unwrap();
    assert_eq!(http2.get(server.url("/products")).send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn the_case_of_the_authorization_scheme_is_ignored() {
    let server = Setup::new(Store::Sqlite).await.with("STOCKMETER_METRICS_TOKEN", "s3cret").start().await;
    let get = async |authorization: &str| {
        server.send(server.request("GET", "/metrics").header("authorization", authorization)).await
    };
    for authorization in ["Bearer s3cret", "bearer s3cret", "BEARER s3cret", "bEARER  s3cret"] {
        assert_eq!(get(authorization).await.status, 200, "{authorization}");
    }
    let invalid = r#"Bearer realm="stockmeter", error="invalid_token""#;
    let none = r#"Bearer realm="stockmeter""#;
    for (authorization, challenge) in [
        ("bearer S3CRET", invalid),
        ("Bearer s3cret, s3cret", invalid),
        ("Bearer bearer s3cret", invalid),
        ("Basic czNjcmV0", none),
        ("Bearers3cret", none),
        ("Bearer", none),
        ("s3cret", none),
    ] {
        let response = get(authorization).await;
        response.is_problem(401, "UNAUTHORIZED", &[]);
        assert_eq!(response.header("www-authenticate"), challenge, "{authorization}");
    }
}

#[tokio::test]
async fn any_encoding_means_gzip() {
    let server = start().await;
    server.post("/products", NORTHWIND).await;
    for (accepted, encoding) in [
        ("*", "gzip"),
        ("*;q=0.1", "gzip"),
        ("* ; q=0.5", "gzip"),
        ("identity;q=0.5, *", "gzip"),
        ("deflate, *;q=0.5", "gzip"),
        ("gzip, *", "gzip"),
        ("br;q=0.2, *;q=0.1", "br"),
        ("gzip;q=0, *", ""),
        ("X-GZIP;q=0, *", ""),
        ("identity, *;q=0", ""),
        ("*;q=0", ""),
        ("deflate", ""),
        ("", ""),
    ] {
        for path in ["/products", "/openapi.json", "/docs/swagger-ui.css"] {
            let request = server.request("GET", path).header("accept-encoding", accepted);
            let response = request.send().await.unwrap();
            let used = response.headers().get("content-encoding").map_or("", |used| used.to_str().unwrap());
            assert_eq!((response.status().as_u16(), used), (200, encoding), "{path}: {accepted}");
        }
    }
    let request = server.request("GET", "/products").header("accept-encoding", "gzip;q=0");
    let response = request.header("accept-encoding", "*").send().await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_415_says_what_is_accepted() {
    let server = start().await;
    let json = "application/json";
    let any_products = "application/json, text/csv, application/x-ndjson";
    let patch = "application/json, application/merge-patch+json";
    for (method, path, kind, encoding, accept, accept_encoding) in [
        ("POST", "/products", json, "gzip", "", "identity"),
        ("POST", "/products", "text/csv", "br", "", "identity"),
        ("PUT", "/products/1", json, "zstd", "", "identity"),
        ("POST", "/products/1/stock", json, "gzip, gzip", "", "identity"),
        ("POST", "/graphql", json, "gzip", "", "identity"),
        ("POST", "/products", "text/html", "Identity", any_products, ""),
        ("PUT", "/products/1", "text/csv", "identity", json, ""),
        ("PATCH", "/products/1", "text/plain", "identity", patch, ""),
        ("POST", "/graphql", "text/plain", "identity", json, ""),
    ] {
        let request = server.request(method, path).header("content-type", kind);
        let response = server.send(request.header("content-encoding", encoding).body("{}")).await;
        let headers = (response.header("accept"), response.header("accept-encoding"));
        assert_eq!((response.status, headers), (415, (accept, accept_encoding)), "{method} {path} {kind}");
    }
}

#[tokio::test]
async fn a_trailing_slash_is_redirected() {
    let server = start().await;
    let client = http_client().redirect(Policy::none()).build().unwrap();
    for (method, path, location) in [
        ("GET", "/products/", "/products"),
        ("HEAD", "/products/", "/products"),
        ("GET", "/products/?limit=2&name=eq.a%20b", "/products?limit=2&name=eq.a%20b"),
        ("GET", "/products/?", "/products?"),
        ("POST", "/products/", "/products"),
        ("DELETE", "/products//", "/products"),
        ("GET", "/products/7/", "/products/7"),
        ("PATCH", "/products/7/", "/products/7"),
        ("POST", "/products/7/stock/", "/products/7/stock"),
        ("GET", "/products/changes/", "/products/changes"),
        ("POST", "/graphql/", "/graphql"),
        ("GET", "/health/", "/health"),
        ("GET", "/health/ready/", "/health/ready"),
        ("GET", "/metrics/", "/metrics"),
        ("GET", "/metrics/slow/", "/metrics/slow"),
        ("GET", "/openapi.json/", "/openapi.json"),
    ] {
        let response = client.request(method.parse().unwrap(), server.url(path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 308, "{method} {path}");
        assert_eq!(response.headers()["location"], location);
        assert!(response.headers().contains_key("x-request-id"));
    }
    for path in ["//", "/nowhere/", "//products/", "//evil.example/", "/Products/", "/products/1/2/"] {
        assert_eq!(client.get(server.url(path)).send().await.unwrap().status().as_u16(), 404, "{path}");
    }
    assert_eq!(client.get(server.url("/docs/")).send().await.unwrap().status().as_u16(), 200);
    // The method and the body are kept.
    let created = server.post("/products/", r#"{"id":7,"name":"a","price":1,"amount":1}"#).await;
    created.is(201, r#"{"id":7,"name":"a","price":1.0,"amount":1}"#);
}

//! CORS: what pages of other origins may send, and which settings the server rejects.

use crate::harness::{Setup, Store, binary};

/// Headers of libraries that many pages use.
const USUAL_HEADERS: [&str; 19] = [
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "prefer",
    "x-request-id",
    "last-event-id",
    "traceparent",
    "tracestate",
    "baggage",
    "x-requested-with",
    "cache-control",
    "accept",
    "apollographql-client-name",
    "apollographql-client-version",
    "apollo-require-preflight",
    "x-apollo-operation-name",
    "graphql-require-preflight",
];

#[tokio::test]
async fn preflight_allows_the_usual_headers() {
    let server =
        Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "https://a.example").start().await;
    for (path, method) in [("/products", "POST"), ("/products/changes", "GET"), ("/graphql", "POST")] {
        let request = server.request("OPTIONS", path).header("origin", "https://a.example");
        let request = request.header("access-control-request-method", method);
        let response =
            server.send(request.header("access-control-request-headers", USUAL_HEADERS.join(","))).await;
        let allowed: Vec<_> = response.header("access-control-allow-headers").split(',').collect();
        for name in USUAL_HEADERS {
            assert!(allowed.contains(&name), "{name} is missing in {allowed:?}");
        }
        assert!(!allowed.contains(&"x-tenant"));
        assert_eq!((response.status, response.header("access-control-max-age")), (200, "7200"));
    }
    let request = server.request("GET", "/products").header("origin", "https://a.example");
    let exposed = server.send(request).await.header("access-control-expose-headers").to_owned();
    for name in ["content-disposition", "www-authenticate", "ratelimit", "ratelimit-policy"] {
        assert!(exposed.split(',').any(|exposed| exposed == name), "{name} is missing in {exposed}");
    }
}

#[tokio::test]
async fn a_setting_allows_further_headers() {
    let setup =
        Setup::new(Store::Sqlite).await.with("STOCKMETER_CORS_ORIGINS", "https://a.example, http://b");
    let server = setup.with("STOCKMETER_CORS_HEADERS", "X-Tenant, x-b3-traceid").start().await;
    for origin in ["https://a.example", "http://b"] {
        let request = server.request("OPTIONS", "/products").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        let response = server.send(request.header("access-control-request-headers", "x-tenant")).await;
        let allowed: Vec<_> = response.header("access-control-allow-headers").split(',').collect();
        assert!(["x-tenant", "x-b3-traceid", "traceparent"].iter().all(|name| allowed.contains(name)));
        assert_eq!(response.header("access-control-allow-origin"), origin);
    }
}

#[tokio::test]
async fn settings_that_can_never_match_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |flag: &str, value: &str| {
        // The command `schema` reads the settings and needs no database.
        let output = binary(folder.path()).args([flag, value, "schema"]).output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    for (origin, message) in [
        ("https://*.example.com", "list each origin"),
        ("https://shop.example/", "browsers send https://shop.example"),
        ("https://shop.example/app", "browsers send https://shop.example"),
        ("https://shop.example?a", "browsers send https://shop.example"),
        ("https://Shop.Example", "browsers send https://shop.example"),
        ("HTTPS://shop.example", "browsers send https://shop.example"),
        ("https://shop.example:443", "browsers send https://shop.example"),
        ("http://shop.example:80", "browsers send http://shop.example"),
        ("https://größe.example", "browsers send https://xn--gre-6ka8i.example"),
        ("http://[0:0:0:0:0:0:0:1]:3000", "browsers send http://[::1]:3000"),
        ("https://user@shop.example", "must be * or an origin"),
        ("ws://shop.example", "must be * or an origin"),
        ("file:///index.html", "must be * or an origin"),
        ("localhost:3000", "must be * or an origin"),
        ("shop.example", "must be * or an origin"),
        ("null", "must be * or an origin"),
        ("https://", "must be * or an origin"),
        ("https://a.example,,https://b.example", "must be * or an origin"),
    ] {
        let (success, text) = run("--cors-origins", origin).await;
        assert!(!success && text.contains(message) && text.contains("--cors-origins"), "{origin}: {text}");
    }
    for origin in
        ["*", "http://localhost:3000", "http://[::1]:3000", "chrome-extension://abcdef", "app://a:1"]
    {
        let (success, text) = run("--cors-origins", origin).await;
        assert!(success, "{origin}: {text}");
    }
    let (success, text) = run("--cors-headers", "x tenant").await;
    assert!(!success && text.contains("must be the name of a header"), "{text}");
}

//! Text encodings: UTF-8 with or without a byte order mark is accepted, any other encoding is rejected by name.

use crate::harness::{Response, Server, Store};

const PRODUCT: &str = r#"{"name":"a","price":1,"amount":1}"#;

async fn send(server: &Server, method: &str, path: &str, kind: &str, body: &str) -> Response {
    let request = server.request(method, path).header("content-type", kind);
    server.send(request.body(body.to_owned())).await
}

#[tokio::test]
async fn a_byte_order_mark_is_ignored() {
    let server = Server::start(Store::Sqlite).await;
    let json = "application/json";
    for (method, path, kind, body, status) in [
        ("POST", "/products", json, PRODUCT, 201),
        ("POST", "/products", json, "[{\"name\":\"a\",\"price\":1,\"amount\":1}]", 201),
        ("POST", "/products", "application/x-ndjson", PRODUCT, 201),
        ("POST", "/products", "text/csv", "name,price,amount\na,1,1\n", 201),
        ("PUT", "/products/1", json, PRODUCT, 200),
        ("PUT", "/products", json, r#"[{"id":1,"name":"a","price":1,"amount":1}]"#, 200),
        ("PATCH", "/products/1", "application/merge-patch+json", r#"{"price":2}"#, 200),
        ("POST", "/products/1/stock", json, r#"{"delta":1}"#, 200),
        ("POST", "/graphql", json, r#"{"query":"{ __typename }"}"#, 200),
    ] {
        let response = send(&server, method, path, kind, &format!("\u{feff}{body}")).await;
        assert_eq!(response.status, status, "{method} {path} {kind}: {response:?}");
    }
    let twice = send(&server, "POST", "/products", json, &format!("\u{feff}\u{feff}{PRODUCT}")).await;
    twice.is_problem(400, "MALFORMED", &[]);
    server.post("/products", "\u{feff}").await.is_problem(400, "MALFORMED", &[]);
}

#[tokio::test]
async fn other_encodings_of_bodies_are_rejected_by_name() {
    let server = Server::start(Store::Sqlite).await;
    let csv = "name,price,amount\na,1,1\n";
    let send_as = async |path: &str, kind: &str| {
        let body = if kind.starts_with("text/csv") { csv } else { PRODUCT };
        send(&server, "POST", path, kind, body).await
    };
    for (path, kind, parameter) in [
        ("/products", "text/csv; charset=iso-8859-1", "charset=iso-8859-1"),
        ("/products", "text/csv;header=present;Charset=\"windows-1252\"", "charset=windows-1252"),
        ("/products", "text/csv; header=absent", "header=absent"),
        ("/products", "text/csv; charset=utf-8; HEADER=Absent", "header=Absent"),
        ("/products", "application/x-ndjson; charset=utf-16", "charset=utf-16"),
        ("/products", "application/json; charset=latin1", "charset=latin1"),
        ("/products/1/stock", "application/json;charset=utf-16le", "charset=utf-16le"),
        ("/products", "application/json; charset=", "charset="),
    ] {
        let response = send_as(path, kind).await;
        response.is_problem(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
        let detail = response.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("parameter {parameter}: send ")), "{kind}: {detail}");
    }
    let graphql = send_as("/graphql", "application/json; charset=iso-8859-1").await;
    assert!(graphql.status == 415 && graphql.text.contains("charset=iso-8859-1"), "{graphql:?}");
    server.get("/products").await.is(200, "[]");
    for kind in [
        "text/csv; charset=utf-8; header=present",
        "text/csv; charset=UTF-8",
        "text/csv; Charset=\"utf-8\"",
        "text/csv; charset=us-ascii",
        "text/csv;",
        "application/json; charset=utf-8",
        "application/json; charset=utf8; header=absent",
        "application/json; odata.metadata=minimal",
    ] {
        assert_eq!(send_as("/products", kind).await.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn parameters_must_be_utf8() {
    let server = Server::start(Store::Sqlite).await;
    for (method, path, name) in [
        ("GET", "/products?name=contains.%ff", "name"),
        ("GET", "/products?limit=1&name=eq.%C3", "name"),
        ("GET", "/products?name=eq.a&%e4=1", "\u{fffd}"),
        ("GET", "/products?name=eq.%C3&price=eq.%A4", "name"),
        ("GET", "/products?after=%80", "after"),
        ("DELETE", "/products?name=eq.%ff", "name"),
        ("GET", "/products/changes?id=eq.%ff", "id"),
        ("GET", "/graphql?query=%7Ba(b:%22%ff%22)%7D", "query"),
    ] {
        let response = server.send(server.request(method, path).header("accept", "application/json")).await;
        assert_eq!(response.status, 400, "{path}: {response:?}");
        assert!(response.text.contains(&format!("the parameter {name} is not UTF-8")), "{response:?}");
    }
    assert_eq!(server.get("/products?name=eq.%C3%A4").await.status, 200);
    assert_eq!(server.get("/products?name=eq.100%25").await.status, 200);
}

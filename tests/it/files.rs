//! CSV and NDJSON: into the store and out of it, over HTTP and from the command line, without a loss.

use std::fmt::Write;

use reqwest::Body;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::harness::{Answer, Server, Setup, Store};

on_both_stores!(
    files_come_back_as_they_went_in,
    lists_come_in_the_format_that_is_wanted,
    bad_lines_are_named,
    one_bad_line_keeps_all_others_out,
    files_can_replace_what_is_there,
    a_client_that_leaves_leaves_nothing,
    a_large_file_goes_both_ways,
    the_command_line_takes_files_too,
);

async fn send(server: &Server, kind: &str, prefer: &str, body: impl Into<Body>) -> Answer {
    let request = server.request("POST", "/products").header("content-type", kind).header("prefer", prefer);
    server.send(request.body(body)).await
}

async fn list(server: &Server, path: &str, accept: &str) -> Answer {
    server.send(server.request("GET", path).header("accept", accept)).await
}

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// Names that a format could break on.
const NAMES: [&str; 12] = [
    "=1+1",
    "+49 30 1234",
    "-5",
    "@SUM(A1)",
    "a \"quoted\" name",
    "\"",
    "a, b",
    "a; b\\n",
    "'single'",
    "Größe 你好 مرحبا שלום 🦀",
    "{\"id\":1}",
    "NULL",
];

fn awkward() -> Vec<Value> {
    let product = |(place, name): (usize, &&str)| json!({ "id": place + 1, "name": name, "price": 9_999_999_999.999_9, "amount": i32::MAX });
    NAMES.iter().enumerate().map(product).collect()
}

async fn files_come_back_as_they_went_in(store: Store) {
    let server = Server::start(store).await;
    assert_eq!(server.post("/products", Value::from(awkward()).to_string()).await.status, 201);
    let whole = server.get("/products").await.text;
    for kind in [CSV, NDJSON] {
        let file = list(&server, "/products", kind).await.text;
        let copy = Server::start(store).await;
        send(&copy, kind, "", file.clone()).await.is(201, r#"{"products":12}"#);
        assert_eq!(copy.get("/products").await.text, whole);
        assert_eq!(list(&copy, "/products", kind).await.text, file);
    }
    // Ids that were imported count.
    server.post("/products", r#"{"name":"next","price":1,"amount":1}"#).await;
    assert_eq!(server.get("/products/13").await.json()["name"], "next");
}

async fn lists_come_in_the_format_that_is_wanted(store: Store) {
    let server = Server::start(store).await;
    server
        .post("/products", r#"[{"name":"a","price":1,"amount":1},{"name":"b,\"c","price":0.25,"amount":2}]"#)
        .await;
    let csv = "id,name,price,amount\r\n1,a,1.0,1\r\n2,\"b,\"\"c\",0.25,2\r\n";
    let ndjson = "{\"id\":1,\"name\":\"a\",\"price\":1.0,\"amount\":1}\n{\"id\":2,\"name\":\"b,\\\"c\",\"price\":0.25,\"amount\":2}\n";
    let json = &server.get("/products").await.text;
    for (accept, kind, text) in [
        ("text/csv", "text/csv; charset=utf-8; header=present", csv),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8; header=present", csv),
        ("text/csv;q=0.5, application/x-ndjson;q=0.6", "application/x-ndjson", ndjson),
        ("application/jsonl", "application/x-ndjson", ndjson),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", json),
        ("application/xml", "application/json", json),
        ("text/csv;q=0", "application/json", json),
    ] {
        let answer = list(&server, "/products", accept).await;
        assert_eq!((answer.header("content-type"), answer.text.as_str()), (kind, text), "{accept}");
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept"));
    }
    let page = list(&server, "/products?limit=1&sort=-id", CSV).await;
    page.is(200, "id,name,price,amount\r\n2,\"b,\"\"c\",0.25,2\r\n");
    assert!(page.header("link").contains("rel=\"next\""));
    list(&server, "/products?id=gt.9", CSV).await.is(200, "id,name,price,amount\r\n");
}

async fn bad_lines_are_named(store: Store) {
    let server = Server::start(store).await;
    let long = format!("name,price,amount\n\"{}", "x,1,1\n".repeat(100_000));
    let endless = format!("{{\"name\":\"{}", "x".repeat(2 << 20));
    for (kind, file, lines) in [
        (CSV, "name,price,amount\na,1,1\nb,x,-1\n", &[(3, "/price"), (3, "/amount")][..]),
        // A name over two lines: control characters are refused, and the lines behind it counted right.
        (CSV, "name,price,amount\r\n\"a\r\nb\",1,1\r\n\r\nc,,1\r\n", &[(2, "/name"), (5, "/price")]),
        (CSV, "\u{feff}name,price,amount\na,1\nb,1,1,1\n", &[(2, ""), (3, "")]),
        (CSV, "name,price\na,1\n", &[(1, "")]),
        (CSV, "name,price,amount,colour\na,1,1,red\n", &[(1, "")]),
        (CSV, "name,name,price,amount\na,a,1,1\n", &[(1, "")]),
        (CSV, "", &[(1, "")]),
        (CSV, long.as_str(), &[(2, "")]),
        (CSV, "id,name,price,amount\n5,a,1,1\n5,b,1,1\n", &[(3, "/id")]),
        (
            NDJSON,
            "{\"name\":\"a\",\"price\":1,\"amount\":1}\n\n{\"name\":\"\",\"price\":1}\n",
            &[(3, "/name"), (3, "/amount")],
        ),
        (NDJSON, "[]\n{\"name\":\n7\n", &[(1, ""), (2, ""), (3, "")]),
        (NDJSON, endless.as_str(), &[(1, "")]),
    ] {
        let answer = send(&server, kind, "", file.to_owned()).await;
        let problem = answer.json();
        let found = problem["errors"].as_array().unwrap().iter();
        let found: Vec<_> = found
            .map(|error| (error["line"].as_u64().unwrap(), error["pointer"].as_str().unwrap()))
            .collect();
        assert_eq!(found, lines, "{answer:?}");
        assert!([409, 422].contains(&answer.status));
        assert!(problem["detail"].as_str().unwrap().contains(&format!("line {}", lines[0].0)), "{problem}");
    }
    let utf16 = send(&server, CSV, "", &b"name,price,amount\n\xff\xfe,1,1\n"[..]).await;
    assert_eq!(utf16.json()["detail"], "line 2 is not UTF-8");
    send(&server, "text/html", "", "x").await.is_problem(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    send(&server, NDJSON, "", "").await.is(201, r#"{"products":0}"#);
    server.get("/products").await.is(200, "[]");
}

/// A file of many batches.
fn many(from: usize, to: usize) -> String {
    (from..=to).fold("id,name,price,amount\n".to_owned(), |mut file, id| {
        let _ = writeln!(file, "{id},\"product, {id}\",{id}.25,{id}");
        file
    })
}

async fn one_bad_line_keeps_all_others_out(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":12000,"name":"there","price":1,"amount":1}"#).await;
    let listed = server.get("/products").await.text;
    for (file, status, line, text) in [
        // In the store, in an earlier batch of the file, and not a product at all.
        (many(1, 12_000), 409, 12_001, "12000 is taken"),
        (many(1, 11_000) + "7,again,1,1\n", 409, 11_002, "7 is taken"),
        (many(1, 11_000) + "a,b,c,d\n", 422, 11_002, "must be a number"),
    ] {
        let answer = send(&server, CSV, "", file).await;
        let error = &answer.json()["errors"][0];
        assert_eq!(
            (answer.status, error["line"].as_u64(), error["detail"].as_str()),
            (status, Some(line), Some(text))
        );
        assert_eq!(server.get("/products").await.text, listed);
    }
    send(&server, CSV, "", many(1, 11_000)).await.is(201, r#"{"products":11000}"#);
}

async fn files_can_replace_what_is_there(store: Store) {
    let server = Server::start(store).await;
    send(&server, CSV, "", many(1, 6_000)).await;
    let merge = "resolution=merge-duplicates";
    let answer = send(&server, CSV, merge, many(5_000, 11_000).replace("product", "article")).await;
    answer.is(200, r#"{"products":6001}"#);
    assert_eq!(answer.header("preference-applied"), merge);
    assert_eq!(server.get("/products/4999").await.json()["name"], "product, 4999");
    assert_eq!(server.get("/products/5000").await.json()["name"], "article, 5000");
    assert_eq!(server.get("/products/11000").await.json()["name"], "article, 11000");
    // Which of two lines would be right nobody knows, however far apart they are.
    let twice = many(1, 6_000) + "1,again,1,1\n";
    let refused = send(&server, CSV, merge, twice).await;
    assert_eq!((refused.status, refused.json()["errors"][0]["line"].as_u64()), (409, Some(6_002)));
    assert_eq!(server.get("/products/1").await.json()["name"], "product, 1");
}

async fn a_client_that_leaves_leaves_nothing(store: Store) {
    let server = Server::start(store).await;
    let head =
        "POST /products HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 9999999\r\n\r\n";
    let mut client = TcpStream::connect(&server.address).await.unwrap();
    client.write_all((head.to_owned() + &many(1, 6_000)).as_bytes()).await.unwrap();
    drop(client);
    let left = r#"http_requests_total{endpoint="/products",method="POST",status_code="499"}"#;
    let counted = async { while server.metric(left).await != Some(1.0) {} };
    tokio::time::timeout(crate::harness::TIMEOUT, counted).await.expect("it is counted");
    server.get("/products").await.is(200, "[]");
}

async fn a_large_file_goes_both_ways(store: Store) {
    let limited = Setup::new(store).await.with("STOCKMETER_IMPORT_LIMIT", 1000).start().await;
    send(&limited, CSV, "", many(1, 1_000)).await.is_problem(413, "BODY_TOO_LARGE", &[]);

    // More than a JSON body may be.
    let server = Server::start(store).await;
    let file = many(1, 25_000).replace("product", &"product".repeat(60));
    assert!(file.len() > 10 << 20);
    assert_eq!(send(&server, CSV, "", file.clone()).await.status, 422, "names are too long");
    let file = many(1, 25_000).replace("product", &"product".repeat(20));
    assert_eq!(send(&server, CSV, "", file.clone()).await.status, 201);
    let back = list(&server, "/products", CSV).await.text;
    assert_eq!(back.replace("\r\n", "\n"), file);
}

async fn the_command_line_takes_files_too(store: Store) {
    let setup = Setup::new(store).await;
    let run = async |arguments: &str| {
        let output = setup.command().args(arguments.split(' ')).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let path = |name: &str| setup.folder.path().join(name);
    std::fs::write(path("in.csv"), many(1, 6_000)).unwrap();
    let (code, text) = run("import in.csv").await;
    assert!(code == Some(0) && text.contains("imported 6,000 products"), "{text}");
    let (code, text) = run("import in.csv").await;
    assert!(code == Some(1) && text.contains("id on line 2: 1 is taken"), "{text}");
    assert_eq!(run("import --merge in.csv").await.0, Some(0));

    for file in ["out.ndjson", "out.csv"] {
        let (code, text) = run(&format!("export {file}")).await;
        assert!(code == Some(0) && text.contains("exported 6,000 products"), "{text}");
    }
    let back = std::fs::read_to_string(path("out.csv")).unwrap();
    assert_eq!(back.replace("\r\n", "\n"), many(1, 6_000));
    let output = setup.command().args(["export", "-", "--format", "ndjson"]).output().await.unwrap();
    assert_eq!(output.stdout, std::fs::read(path("out.ndjson")).unwrap());

    for (arguments, message) in [
        ("import in.txt", "--format csv or --format ndjson"),
        ("import none.csv", "none.csv: No such file"),
        ("export nowhere/out.csv", "nowhere/out.csv: No such file"),
    ] {
        let (code, text) = run(arguments).await;
        assert!(code == Some(1) && text.contains(message), "{text}");
    }
    let server = setup.start().await;
    assert_eq!(list(&server, "/products", CSV).await.text, back);
}

//! Lossless CSV and NDJSON import and export, over HTTP and from the command line.

use std::fmt::Write;

use reqwest::Body;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::harness::{Response, Server, Setup, Store, eventually};

on_both_stores!(
    exported_files_can_be_imported_without_loss,
    lists_are_sent_in_the_accepted_format,
    errors_name_the_invalid_lines,
    one_invalid_line_rejects_the_whole_file,
    files_can_replace_existing_products,
    an_aborted_upload_stores_nothing,
    an_unusable_temporary_folder_is_reported,
    large_files_can_be_imported_and_exported,
    the_command_line_imports_and_exports_files,
);

async fn send(server: &Server, kind: &str, prefer: &str, body: impl Into<Body>) -> Response {
    let request = server.request("POST", "/products").header("content-type", kind).header("prefer", prefer);
    server.send(request.body(body)).await
}

async fn list(server: &Server, path: &str, accept: &str) -> Response {
    server.send(server.request("GET", path).header("accept", accept)).await
}

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// Names with characters that are special in CSV, JSON or spreadsheets.
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

fn special_products() -> Vec<Value> {
    let product = |(index, name): (usize, &&str)| json!({ "id": index + 1, "name": name, "price": 9_999_999_999.999_9, "amount": i32::MAX });
    NAMES.iter().enumerate().map(product).collect()
}

async fn exported_files_can_be_imported_without_loss(store: Store) {
    let server = Server::start(store).await;
    assert_eq!(server.post("/products", Value::from(special_products()).to_string()).await.status, 201);
    let whole = server.get("/products").await.text;
    for kind in [CSV, NDJSON] {
        let file = list(&server, "/products", kind).await.text;
        let target = Server::start(store).await;
        send(&target, kind, "", file.clone()).await.is(201, r#"{"products":12}"#);
        assert_eq!(target.get("/products").await.text, whole);
        assert_eq!(list(&target, "/products", kind).await.text, file);
    }
    // The next generated id is higher than the ids in the file.
    server.post("/products", r#"{"name":"next","price":1,"amount":1}"#).await;
    assert_eq!(server.get("/products/13").await.json()["name"], "next");
}

async fn lists_are_sent_in_the_accepted_format(store: Store) {
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
        let response = list(&server, "/products", accept).await;
        assert_eq!((response.header("content-type"), response.text.as_str()), (kind, text), "{accept}");
        assert!(response.headers.get_all("vary").iter().any(|vary| vary == "accept"));
    }
    let page = list(&server, "/products?limit=1&sort=-id", CSV).await;
    page.is(200, "id,name,price,amount\r\n2,\"b,\"\"c\",0.25,2\r\n");
    assert!(page.header("link").contains("rel=\"next\""));
    list(&server, "/products?id=gt.9", CSV).await.is(200, "id,name,price,amount\r\n");
}

async fn errors_name_the_invalid_lines(store: Store) {
    let server = Server::start(store).await;
    let long = format!("name,price,amount\n\"{}", "x,1,1\n".repeat(100_000));
    let endless = format!("{{\"name\":\"{}", "x".repeat(2 << 20));
    for (kind, file, lines) in [
        (CSV, "name,price,amount\na,1,1\nb,x,-1\n", &[(3, "/price"), (3, "/amount")][..]),
        // A quoted name spans two lines. It is rejected, and both lines are counted in later line numbers.
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
        let response = send(&server, kind, "", file.to_owned()).await;
        let problem = response.json();
        let found = problem["errors"].as_array().unwrap().iter();
        let found: Vec<_> = found
            .map(|error| (error["line"].as_u64().unwrap(), error["pointer"].as_str().unwrap()))
            .collect();
        assert_eq!(found, lines, "{response:?}");
        assert!([409, 422].contains(&response.status));
        assert!(problem["detail"].as_str().unwrap().contains(&format!("line {}", lines[0].0)), "{problem}");
    }
    let not_utf8 = send(&server, CSV, "", &b"name,price,amount\n\xff\xfe,1,1\n"[..]).await;
    assert_eq!(not_utf8.json()["detail"], "line 2 is not UTF-8: save the file with the encoding UTF-8");
    send(&server, "text/html", "", "x").await.is_problem(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    send(&server, NDJSON, "", "").await.is(201, r#"{"products":0}"#);
    server.get("/products").await.is(200, "[]");
}

/// Returns a CSV file with a product for each id from `from` to `to`.
fn csv_file(from: usize, to: usize) -> String {
    (from..=to).fold("id,name,price,amount\n".to_owned(), |mut file, id| {
        let _ = writeln!(file, "{id},\"product, {id}\",{id}.25,{id}");
        file
    })
}

async fn one_invalid_line_rejects_the_whole_file(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":12000,"name":"there","price":1,"amount":1}"#).await;
    let listed = server.get("/products").await.text;
    for (file, status, line, text) in [
        // The last line has a stored id, an id from an earlier batch of the file, or invalid values.
        (csv_file(1, 12_000), 409, 12_001, "12000 is taken"),
        (csv_file(1, 11_000) + "7,again,1,1\n", 409, 11_002, "7 is taken"),
        (csv_file(1, 11_000) + "a,b,c,d\n", 422, 11_002, "must be a number"),
    ] {
        let response = send(&server, CSV, "", file).await;
        let error = &response.json()["errors"][0];
        assert_eq!(
            (response.status, error["line"].as_u64(), error["detail"].as_str()),
            (status, Some(line), Some(text))
        );
        assert_eq!(server.get("/products").await.text, listed);
    }
    send(&server, CSV, "", csv_file(1, 11_000)).await.is(201, r#"{"products":11000}"#);
}

async fn files_can_replace_existing_products(store: Store) {
    let server = Server::start(store).await;
    send(&server, CSV, "", csv_file(1, 6_000)).await;
    let upsert = "resolution=merge-duplicates";
    let response = send(&server, CSV, upsert, csv_file(5_000, 11_000).replace("product", "article")).await;
    response.is(200, r#"{"products":6001}"#);
    assert_eq!(response.header("preference-applied"), upsert);
    assert_eq!(server.get("/products/4999").await.json()["name"], "product, 4999");
    assert_eq!(server.get("/products/5000").await.json()["name"], "article, 5000");
    assert_eq!(server.get("/products/11000").await.json()["name"], "article, 11000");
    // A repeated id is rejected, even if its lines are in different batches.
    let twice = csv_file(1, 6_000) + "1,again,1,1\n";
    let rejected = send(&server, CSV, upsert, twice).await;
    assert_eq!((rejected.status, rejected.json()["errors"][0]["line"].as_u64()), (409, Some(6_002)));
    assert_eq!(server.get("/products/1").await.json()["name"], "product, 1");
}

async fn an_aborted_upload_stores_nothing(store: Store) {
    let server = Server::start(store).await;
    let headers = "POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 9999999\r\n\r\n";
    let mut client = TcpStream::connect(&server.address).await.unwrap();
    client.write_all((headers.to_owned() + &csv_file(1, 6_000)).as_bytes()).await.unwrap();
    drop(client);
    let aborted = r#"http_requests_total{endpoint="/products",method="POST",status_code="499"}"#;
    eventually("the aborted request is counted", async || server.metric(aborted).await == Some(1.0)).await;
    server.get("/products").await.is(200, "[]");
}

async fn an_unusable_temporary_folder_is_reported(store: Store) {
    let server = Setup::new(store).await.with("TMPDIR", "/nonexistent/folder").start().await;
    for (kind, file) in [(CSV, csv_file(1, 2)), (NDJSON, String::new())] {
        let response = send(&server, kind, "", file).await;
        response.is_problem(500, "INTERNAL", &[]);
        let detail = response.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("cannot store the uploaded file") && detail.contains("TMPDIR"), "{detail}");
        // A retry would not help, and clients do not learn names of folders.
        assert!(!detail.contains("retry") && !detail.contains("nonexistent"), "{detail}");
        assert_eq!(response.header("retry-after"), "");
    }
    server.log.wait_for_line("/nonexistent/folder").await;
    let mut import = server.setup.command();
    let output = import.args(["import", "-", "--format", "csv"]).stdin(std::process::Stdio::null());
    let output = output.output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains("check the temporary folder (TMPDIR)"),
        "{text}"
    );
    // Other requests need no temporary folder.
    assert_eq!(server.post("/products", r#"{"name":"a","price":1,"amount":1}"#).await.status, 201);
}

async fn large_files_can_be_imported_and_exported(store: Store) {
    let limited = Setup::new(store).await.with("STOCKMETER_IMPORT_LIMIT", 1000).start().await;
    send(&limited, CSV, "", csv_file(1, 1_000)).await.is_problem(413, "BODY_TOO_LARGE", &[]);

    // Files may exceed the size limit of JSON bodies.
    let server = Server::start(store).await;
    let file = csv_file(1, 25_000).replace("product", &"product".repeat(60));
    assert!(file.len() > 10 << 20);
    assert_eq!(send(&server, CSV, "", file.clone()).await.status, 422, "names are too long");
    let file = csv_file(1, 25_000).replace("product", &"product".repeat(20));
    assert_eq!(send(&server, CSV, "", file.clone()).await.status, 201);
    let exported = list(&server, "/products", CSV).await.text;
    assert_eq!(exported.replace("\r\n", "\n"), file);
}

async fn the_command_line_imports_and_exports_files(store: Store) {
    let setup = Setup::new(store).await;
    let run = async |arguments: &str| {
        let output = setup.command().args(arguments.split(' ')).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let path = |name: &str| setup.folder.path().join(name);
    std::fs::write(path("in.csv"), csv_file(1, 6_000)).unwrap();
    assert_eq!(run("import in.csv").await.0, Some(1), "an import creates no schema by accident");
    assert_eq!(run("migrate").await.0, Some(0));
    let (code, text) = run("import in.csv").await;
    assert!(code == Some(0) && text.contains("imported 6,000 products"), "{text}");
    let (code, text) = run("import in.csv").await;
    assert!(code == Some(1) && text.contains("id on line 2: 1 is taken"), "{text}");
    assert_eq!(run("import --merge in.csv").await.0, Some(0));

    for file in ["out.ndjson", "out.csv"] {
        let (code, text) = run(&format!("export {file}")).await;
        assert!(code == Some(0) && text.contains("exported 6,000 products"), "{text}");
    }
    let exported = std::fs::read_to_string(path("out.csv")).unwrap();
    assert_eq!(exported.replace("\r\n", "\n"), csv_file(1, 6_000));
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
    assert_eq!(list(&server, "/products", CSV).await.text, exported);
}

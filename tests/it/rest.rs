//! Product routes of REST, and the limits on bodies, connections and concurrent requests.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{NORTHWIND, Server, Setup, Store, TIMEOUT, eventually};

on_both_stores!(
    northwind_is_stored_and_returned_unchanged,
    a_product_is_created_changed_and_deleted,
    prices_keep_their_digits,
    equivalent_json_is_accepted,
    generated_ids_are_never_reused,
    generated_ids_skip_ids_of_clients,
    high_client_ids_do_not_exhaust_generated_ids,
    an_array_is_created_completely_or_not_at_all,
    a_put_replaces_the_whole_product,
    unknown_routes_and_methods_are_rejected,
    the_api_reference_works_without_internet,
    the_type_and_size_of_a_body_are_checked,
    a_stalled_body_gives_408,
    an_idle_connection_is_closed,
    slow_request_headers_close_the_connection,
    a_client_waiting_for_a_response_stays_connected,
    requests_above_the_limit_get_503_at_once,
);

async fn northwind_is_stored_and_returned_unchanged(store: Store) {
    let server = Server::start(store).await;
    let file: Value = serde_json::from_str(NORTHWIND).unwrap();
    server.get("/products").await.is(200, "[]");

    let created = server.post("/products", NORTHWIND).await;
    assert_eq!((created.status, created.json()), (201, file.clone()));
    assert_eq!(server.get("/products").await.json(), file);

    let query = "{ products(first: 1000) { edges { node { id name price amount } } } }";
    let response = server.graphql(query, json!({})).await;
    let nodes = response["data"]["products"]["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]);
    let expected = file.as_array().unwrap().iter().map(|product| {
        let (id, price) = (product["id"].to_string(), product["price"].to_string());
        json!({ "id": id, "name": product["name"], "price": price, "amount": product["amount"] })
    });
    assert_eq!(nodes.cloned().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

async fn a_product_is_created_changed_and_deleted(store: Store) {
    let server = Server::start(store).await;
    let laptop = r#"{"id":1,"name":"Laptop","price":999.99,"amount":10}"#;
    let created = server.post("/products", laptop).await;
    created.is(201, laptop);
    assert_eq!(created.header("location"), "/products/1");
    server.get("/products/1").await.is(200, laptop);
    assert_eq!(server.get("/products/1").await.header("content-type"), "application/json");

    let changed = r#"{"id":1,"name":"Laptop 2","price":899.5,"amount":0}"#;
    server.put("/products/1", changed).await.is(200, changed);
    server.get("/products").await.is(200, &format!("[{changed}]"));

    server.delete("/products/1").await.is(204, "");
    server.get("/products/1").await.is_problem(404, "NOT_FOUND", &[]);
    server.put("/products/1", laptop).await.is_problem(404, "NOT_FOUND", &[]);
    server.delete("/products/1").await.is_problem(404, "NOT_FOUND", &[]);
}

async fn prices_keep_their_digits(store: Store) {
    let server = Server::start(store).await;
    let sent = ["999.99", "0.1", "9999999999.9999", "0.0001", "0.0", "1234567890.1234", "0.3"];
    for price in sent {
        let created = server.post("/products", format!(r#"{{"name":"x","price":{price},"amount":1}}"#)).await;
        let id = created.json()["id"].to_string();
        let read = server.get(&format!("/products/{id}")).await;
        let expected = format!(r#"{{"id":{id},"name":"x","price":{price},"amount":1}}"#);
        assert_eq!((&created.text, &read.text), (&expected, &expected));
        let response =
            server.graphql("query($id: ID!) { product(id: $id) { price } }", json!({ "id": id })).await;
        assert_eq!(response["data"]["product"]["price"], price);

        let input = json!({ "name": "x", "price": price, "amount": 1 });
        let create = "mutation($input: CreateProductInput!) { createProduct(input: $input) { id price } }";
        let response = server.graphql(create, json!({ "input": input })).await;
        let product = &response["data"]["createProduct"];
        assert_eq!(product["price"], price);
        let read = server.get(&format!("/products/{}", product["id"].as_str().unwrap())).await.text;
        assert!(read.contains(&format!(r#""price":{price},"#)), "{read}");
    }
}

async fn equivalent_json_is_accepted(store: Store) {
    let server = Server::start(store).await;
    let documents = [
        r#"{"id":1,"name":"a b","price":1.5,"amount":7}"#,
        " {\t\"amount\" : 7 ,\r\n\"price\":1.50, \"name\": \" a b \" , \"id\" :1 } ",
        r#"{"id":1,"name":"\u0061 b","price":15e-1,"amount":7}"#,
        r#"{"\u0069d":1,"name":"a b","price":0.15E+1,"amount":7.0}"#,
        r#"{"id":1,"name":"a b","price":1.500000,"amount":7.00}"#,
        r#"{"id":1.00000000000000000000,"name":"a b","price":1.50000000000000000000,"amount":7}"#,
        r#"{"id":1,"name":"a b","price":1.5,"amount":7,"more":"é","less":-0}"#,
        r#"{"id":1,"name":"a b","price":1.5,"amount":7,"x":null,"y":[{"id":2}],"z\"":true}"#,
    ];
    for document in documents {
        let product = r#"{"id":1,"name":"a b","price":1.5,"amount":7}"#;
        server.post("/products", document).await.is(201, product);
        server.delete("/products/1").await.is(204, "");
        server.post("/products", format!("[{document}]")).await.is(201, &format!("[{product}]"));
        server.delete("/products/1").await.is(204, "");
    }
    // An escape is sent at each offset, because the parser checks several bytes at a time.
    for (sent, returned) in [(r"\u005c", r"\\"), (r"\u0022", r#"\""#)] {
        for offset in 0..9 {
            let product = |special| {
                format!(
                    r#"{{"id":1,"name":"{}{special}éxxxxxx","price":1.5,"amount":7}}"#,
                    "x".repeat(offset)
                )
            };
            server.post("/products", product(sent)).await.is(201, &product(returned));
            server.delete("/products/1").await.is(204, "");
        }
    }
}

async fn generated_ids_are_never_reused(store: Store) {
    let server = Server::start(store).await;
    let new = r#"{"name":"x","price":1,"amount":1}"#;
    let id = async || server.post("/products", new).await.json()["id"].as_i64().unwrap();
    assert_eq!(id().await, 1);
    // One array may contain products with and without ids.
    let array = format!(r#"[{new}, {{"id":60,"name":"y","price":1,"amount":1}}, {new}]"#);
    let created = server.post("/products", array).await.json();
    assert_eq!((&created[0]["id"], &created[1]["id"], &created[2]["id"]), (&json!(2), &json!(60), &json!(3)));

    // The id of a deleted product is not generated again.
    server.delete("/products/3").await;
    assert_eq!(id().await, 4);
    let server = server.kill_and_restart().await;
    let next = server.post("/products", new).await.json()["id"].as_i64().unwrap();
    assert!(next > 4);

    let long = vec![new; 5000].join(",");
    let created = server.post("/products", format!("[{long}]")).await.json();
    let ids: Vec<i64> =
        created.as_array().unwrap().iter().map(|product| product["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted() && ids[0] > next && !ids.contains(&60));
}

async fn generated_ids_skip_ids_of_clients(store: Store) {
    let server = Server::start(store).await;
    let product = |id: Option<i64>| json!({ "id": id, "name": "x", "price": 1, "amount": 1 });
    let id =
        async || server.post("/products", product(None).to_string()).await.json()["id"].as_i64().unwrap();
    assert_eq!(id().await, 1);
    for first in [2, 1502, 3002] {
        let block: Vec<Value> = (first..first + 1500).map(|id| product(Some(id))).collect();
        assert_eq!(server.post("/products", Value::from(block).to_string()).await.status, 201);
    }
    let (second, third) = (id().await, id().await);
    assert!((second, third) > (4500, 4500) && second < third, "{second} {third}");

    // The ids that the array itself uses are skipped, too.
    let sent: Vec<Value> = (third + 1..third + 2000).map(Some).chain([None, None]).map(product).collect();
    let created = server.post("/products", Value::from(sent).to_string()).await.json();
    let ids: Vec<i64> =
        created.as_array().unwrap().iter().map(|product| product["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), 2001);
    assert!(ids.is_sorted_by(|id, next| id < next));
}

async fn high_client_ids_do_not_exhaust_generated_ids(store: Store) {
    let mut server = Server::start(store).await;
    let new = r#"{"name":"x","price":1,"amount":1}"#;
    let last = (1_i64 << 52) - 1;
    for id in [9_007_199_254_740_991_i64, 1 << 52, last, last - 2] {
        let created =
            server.post("/products", format!(r#"{{"id":{id},"name":"x","price":1,"amount":1}}"#)).await;
        assert_eq!(created.json()["id"], id);
    }
    let csv = format!("id,name,price,amount\r\n{},x,1,1\r\n", last - 1);
    let import = server.http.post(server.url("/products")).header("content-type", "text/csv").body(csv);
    assert_eq!(import.send().await.unwrap().status(), 201);
    assert_eq!(server.post("/products", new).await.json()["id"], 1);
    let product = |id: Option<i64>| json!({ "id": id, "name": "x", "price": 1, "amount": 1 });
    let mixed = json!([product(Some((1 << 52) + 1)), product(None)]).to_string();
    assert_eq!(server.post("/products", mixed).await.json()[1]["id"], 2);
    server = server.kill_and_restart().await;
    assert!(server.post("/products", new).await.json()["id"].as_i64().unwrap() < 100);

    // The counter itself reaches its end. Only requests without an id fail from now on.
    let database = server.direct_connection().await;
    let set = match store {
        Store::Sqlite => "UPDATE product_id SET last = 4503599627370490",
        Store::PostgreSql => "SELECT setval('product_id', 4503599627370490)",
    };
    database.execute_unprepared(set).await.unwrap();
    let many = Value::from(vec![product(None); 6]).to_string();
    server.post("/products", many).await.is_problem(409, "IDS_EXHAUSTED", &[]);
    let id_7 = r#"{"id":7,"name":"x","price":1.0,"amount":1}"#;
    server.post("/products", id_7).await.is(201, id_7);
}

async fn an_array_is_created_completely_or_not_at_all(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", "[]").await.is(201, "[]");
    server.post("/products", r#"{"id":5,"name":"there","price":1,"amount":1}"#).await;

    let product = |id| json!({ "id": id, "name": "new", "price": 1, "amount": 1 });
    let taken = json!([product(6), product(5), product(7)]).to_string();
    server.post("/products", taken).await.is_problem(409, "DUPLICATE_ID", &["/1/id"]);
    let twice = json!([product(8), product(9), product(8)]).to_string();
    server.post("/products", twice).await.is_problem(409, "DUPLICATE_ID", &["/2/id"]);
    let bad = json!([product(10), product(0), 3]).to_string();
    server.post("/products", bad).await.is_problem(422, "INVALID", &["/1/id", "/2"]);
    let late_conflict =
        json!((100..140).map(|id| product(if id == 120 { 5 } else { id })).collect::<Vec<_>>());
    server.post("/products", late_conflict.to_string()).await.is_problem(409, "DUPLICATE_ID", &["/20/id"]);
    assert_eq!(server.get("/products").await.json().as_array().unwrap().len(), 1);

    // The response keeps the order of the request, while lists are sorted by id.
    let mixed = json!([product(30), product(10), product(20)]).to_string();
    let ids = |products: Value| {
        products.as_array().unwrap().iter().map(|product| product["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(server.post("/products", mixed).await.json()), [30, 10, 20]);
    assert_eq!(ids(server.get("/products").await.json()), [5, 10, 20, 30]);
}

async fn a_put_replaces_the_whole_product(store: Store) {
    let server = Server::start(store).await;
    server.post("/products", r#"{"id":1,"name":"a","price":1,"amount":1}"#).await;
    let put = async |body| server.put("/products/1", body).await;
    put(r#"{"name":"b","price":2,"amount":2}"#)
        .await
        .is(200, r#"{"id":1,"name":"b","price":2.0,"amount":2}"#);
    put(r#"{"id":2,"name":"c","price":3,"amount":3}"#).await.is_problem(422, "INVALID", &["/id"]);
    put(r#"{"name":"c"}"#).await.is_problem(422, "INVALID", &["/price", "/amount"]);
    put("[]").await.is_problem(422, "INVALID", &[""]);
    put(r#"{"id":1,"name":"c","price":3,"amount":3}"#)
        .await
        .is(200, r#"{"id":1,"name":"c","price":3.0,"amount":3}"#);
}

async fn unknown_routes_and_methods_are_rejected(store: Store) {
    let server = Server::start(store).await;
    let root = server.get("/").await.json();
    assert_eq!(root["name"], "Stockmeter");
    for link in root["links"].as_object().unwrap().values() {
        assert_eq!(server.get(link.as_str().unwrap()).await.status, 200, "{link}");
    }
    server.get("/product").await.is_problem(404, "NOT_FOUND", &[]);
    for (method, path, allowed) in [
        ("PATCH", "/products", "GET,HEAD,POST,PUT,DELETE"),
        ("POST", "/products/1", "GET,HEAD,PUT,PATCH,DELETE"),
        ("GET", "/products/1/stock", "POST"),
        ("BREW", "/graphql", "GET,HEAD,POST"),
        ("POST", "/metrics", "GET,HEAD"),
    ] {
        let response = server.send(server.request(method, path)).await;
        response.is_problem(405, "METHOD_NOT_ALLOWED", &[]);
        assert_eq!(response.header("allow"), allowed);
    }
    let with_id = async |id: &str| {
        server.send(server.request("GET", "/nothing").header("x-request-id", id)).await.json()["request_id"]
            .clone()
    };
    assert_eq!(with_id("mine").await, "mine");
    for invalid in ["", "é", "a b", &"x".repeat(129)] {
        assert_eq!(with_id(invalid).await.as_str().unwrap().len(), 36, "the server generates an id");
    }
}

async fn the_api_reference_works_without_internet(store: Store) {
    let server = Server::start(store).await;
    let document = server.get("/openapi.json").await;
    assert_eq!((document.status, document.header("content-type")), (200, "application/json"));
    assert_eq!(document.json()["openapi"], "3.1.0");
    let page = server.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("//cdn") && !page.text.contains("https://"), "{}", page.text);
    let scripts = page.text.split("src=\"./").skip(1).map(|rest| rest.split('"').next().unwrap());
    for script in scripts {
        assert_eq!(server.get(&format!("/docs/{script}")).await.status, 200, "{script}");
    }
}

async fn the_type_and_size_of_a_body_are_checked(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_BODY_LIMIT", 1000).start().await;
    let product = r#"{"name":"a","price":1,"amount":1}"#;
    let typed = |kind| server.request("POST", "/products").header("content-type", kind).body(product);
    assert_eq!(server.send(typed("Application/JSON; charset=utf-8")).await.status, 201);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        server.send(typed(kind)).await.is_problem(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    }
    let encoded = typed("application/json").header("content-encoding", "gzip");
    server.send(encoded).await.is_problem(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    let large = |bytes| format!("{product}{}", " ".repeat(bytes - product.len()));
    assert_eq!(server.post("/products", large(1000)).await.status, 201);
    server.post("/products", large(1001)).await.is_problem(413, "BODY_TOO_LARGE", &[]);
    let chunks = futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(" ".repeat(100))));
    let chunked = reqwest::Body::wrap_stream(chunks);
    server.post("/products", chunked).await.is_problem(413, "BODY_TOO_LARGE", &[]);
    server.post("/graphql", large(1001)).await.is_graphql_error(413, "BODY_TOO_LARGE");
}

async fn a_stalled_body_gives_408(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_REQUEST_TIMEOUT", "300ms").start().await;
    let never = futures_util::stream::pending::<Result<String, std::io::Error>>();
    let request = server
        .request("POST", "/products")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(never));
    server.send(request).await.is_problem(408, "BODY_TOO_SLOW", &[]);
}

async fn an_idle_connection_is_closed(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_REQUEST_TIMEOUT", "100ms");
    let server = setup.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    for start in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHo"] {
        let mut silent = TcpStream::connect(&server.address).await.unwrap();
        silent.write_all(start.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = silent.read_to_end(&mut rest);
        let _ =
            tokio::time::timeout(TIMEOUT, closed).await.unwrap_or_else(|_| panic!("{start:?} stays open"));
    }
}

async fn slow_request_headers_close_the_connection(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    let mut client = TcpStream::connect(&server.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let trickle = async {
        while client.write_all(b"x").await.is_ok() {
            clock.tick().await;
        }
    };
    tokio::time::timeout(TIMEOUT, trickle).await.unwrap();
}

async fn a_client_waiting_for_a_response_stays_connected(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    let database = server.direct_connection().await;
    let transaction = database.begin().await.unwrap();
    transaction.execute_unprepared("DELETE FROM product").await.unwrap();
    transaction.execute_unprepared("INSERT INTO product VALUES (1, 'a', 1, 1, 1)").await.unwrap();

    let waiting = server.post("/products", r#"{"id":1,"name":"b","price":1,"amount":1}"#);
    let silent = async {
        // The server closes this connection, because the client sends no request.
        let mut silent = TcpStream::connect(&server.address).await.unwrap();
        let _ = silent.read_to_end(&mut Vec::new()).await;
        transaction.rollback().await.unwrap();
    };
    let (response, ()) =
        tokio::time::timeout(TIMEOUT, async { tokio::join!(waiting, silent) }).await.unwrap();
    assert_eq!(response.status, 201);
}

async fn requests_above_the_limit_get_503_at_once(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_CONCURRENT_REQUESTS", 1);
    let server = setup.with("STOCKMETER_REQUEST_TIMEOUT", "1h").start().await;
    // Sends a request that holds a permit until its connection closes. The 100 response proves that the
    // request has the permit.
    let stalled = async |kind: &str| {
        let mut stalled = TcpStream::connect(&server.address).await.unwrap();
        let headers = format!(
            "POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        );
        stalled.write_all(headers.as_bytes()).await.unwrap();
        let mut proceed = [0; 25];
        stalled.read_exact(&mut proceed).await.unwrap();
        assert_eq!(proceed, *b"HTTP/1.1 100 Continue\r\n\r\n");
        stalled
    };
    // File uploads have separate permits, so a slow upload does not block other requests.
    let _file = stalled("text/csv").await;
    let file = server.request("POST", "/products").header("content-type", "text/csv").body("x");
    server.send(file).await.is_problem(503, "OVERLOADED", &[]);
    assert_eq!(server.get("/products").await.status, 200);

    let stalled = stalled("application/json").await;
    let response = server.get("/products").await;
    response.is_problem(503, "OVERLOADED", &[]);
    assert_eq!(response.header("retry-after"), "1");
    for path in ["/", "/health", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200);
    }
    drop(stalled);
    eventually("the permit is free again", async || server.get("/products").await.status == 200).await;
}

//! `GET /products` of many products, and readers that take their time.

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Server, Setup, Store, TIMEOUT};

on_both_stores!(all_products_are_listed_once_and_in_order, slow_readers_cost_neither_memory_nor_connections);

const PRODUCTS: usize = 50_000;

async fn load(server: &Server) {
    let name = "a name of some length, as products have them, and so that the answer is larger than buffers";
    let products = vec![json!({ "name": name, "price": 1.5, "amount": 1 }); PRODUCTS];
    assert_eq!(server.post("/products", Value::from(products).to_string()).await.status, 201);
}

/// What is being done aside, but for the collection of metrics, which never ends.
async fn tasks(server: &Server) -> f64 {
    server.metric(r#"tokio_alive_tasks{runtime="background"}"#).await.unwrap() - 1.0
}

async fn all_products_are_listed_once_and_in_order(store: Store) {
    let server = Server::start(store).await;
    // A page more or less, exactly a page, and an empty page at the end.
    for (count, expected) in [(999, 999), (1, 1000), (1, 1001), (999, 2000)] {
        let products = vec![json!({ "name": "x", "price": 1, "amount": 1 }); count];
        server.post("/products", Value::from(products).to_string()).await;
        let listed = server.get("/products").await.json();
        let ids: Vec<_> =
            listed.as_array().unwrap().iter().map(|product| product["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (1..=expected).collect::<Vec<u64>>());
    }
    let plain = server.get("/products").await.text;
    for encoding in ["gzip", "br", "zstd"] {
        let request = server.request("GET", "/products").header("accept-encoding", encoding);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        let bytes = response.bytes().await.expect("the answer has an end");
        if encoding == "gzip" {
            assert_eq!(std::io::read_to_string(GzDecoder::new(&*bytes)).unwrap(), plain);
        }
    }
}

async fn slow_readers_cost_neither_memory_nor_connections(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.with("STOCKMETER_DATABASE_CONNECTIONS", 2).start().await;
    load(&server).await;
    let before = server.resident_bytes();
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = TcpStream::connect(&server.address).await.unwrap();
        reader.write_all(b"GET /products HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        // It has begun to answer, and is not read any further.
        reader.read_u8().await.unwrap();
        readers.push(reader);
    }
    assert_eq!(server.get("/products/1").await.status, 200);
    let whole = server.get("/products").await.text.len();
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 3 * whole, "{grown} bytes for 20 readers of {whole}");

    // When they leave, so does what was being done for them.
    let told = async { while tasks(&server).await < 20.0 {} };
    tokio::time::timeout(TIMEOUT, told).await.expect("20 lists under way");
    drop(readers);
    let over = async { while tasks(&server).await > 0.0 {} };
    tokio::time::timeout(TIMEOUT, over).await.expect("no list under way");
}

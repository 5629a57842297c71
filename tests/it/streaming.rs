//! Streamed lists of all products, and clients that read them slowly.

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Server, Setup, Store, eventually};

on_both_stores!(all_products_are_listed_once_and_in_order, slow_readers_hold_neither_memory_nor_connections);

const PRODUCTS: usize = 50_000;

async fn load(server: &Server) {
    let name = "a name of usual length for a product, because the response must be larger than all buffers.";
    let products = vec![json!({ "name": name, "price": 1.5, "amount": 1 }); PRODUCTS];
    assert_eq!(server.post("/products", Value::from(products).to_string()).await.status, 201);
}

/// Returns the number of tasks on the background runtime, without the permanent task that collects metrics.
async fn running_lists(server: &Server) -> f64 {
    server.metric(r#"tokio_alive_tasks{runtime="background"}"#).await.unwrap() - 1.0
}

async fn all_products_are_listed_once_and_in_order(store: Store) {
    let server = Server::start(store).await;
    // One page has 1000 products. If the last page is full, the server reads an empty page after it.
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
        let bytes = response.bytes().await.expect("the response ends");
        if encoding == "gzip" {
            assert_eq!(std::io::read_to_string(GzDecoder::new(&*bytes)).unwrap(), plain);
        }
    }
}

async fn slow_readers_hold_neither_memory_nor_connections(store: Store) {
    let setup = Setup::new(store).await.with("STOCKMETER_METRICS_COLLECTION_INTERVAL", "100ms");
    let server = setup.with("STOCKMETER_DATABASE_CONNECTIONS", 2).start().await;
    load(&server).await;
    let before = server.resident_bytes();
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = TcpStream::connect(&server.address).await.unwrap();
        reader.write_all(b"GET /products HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        // The client reads only the first byte of the response.
        reader.read_u8().await.unwrap();
        readers.push(reader);
    }
    assert_eq!(server.get("/products/1").await.status, 200);
    let whole = server.get("/products").await.text.len();
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 3 * whole, "{growth} bytes for 20 readers of {whole}");

    // A list ends if its client disconnects.
    eventually("20 lists are running", async || running_lists(&server).await >= 20.0).await;
    drop(readers);
    eventually("no list is running", async || running_lists(&server).await <= 0.0).await;
}

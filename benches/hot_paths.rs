//! What requests cost inside the server, without a network: `cargo bench`. On SQLite, in a folder for temporary files.

#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a bench that can't go on ends")]

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use clap::Parser;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stockmeter::{
    config::Config,
    server::{App, Server},
};
use tokio::runtime::Runtime;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// Series of each method of a route, instead of a handful.
const BUCKETS: usize = 250;
const PRODUCTS: u64 = 10_000;

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

/// Sends a request and takes the whole answer.
async fn send(app: &App, request: Request<Body>) -> usize {
    let answer = app.call(request).await.unwrap();
    assert!(answer.status().is_success() || answer.status() == StatusCode::NOT_MODIFIED);
    to_bytes(answer.into_body(), usize::MAX).await.unwrap().len()
}

/// An array of so many products, none of which was there before.
fn array(count: u64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    let product = |id| format!(r#"{{"id":{id},"name":"Product number {id}","price":19.99,"amount":7}}"#);
    format!("[{}]", (first..first + count).map(product).collect::<Vec<_>>().join(","))
}

fn graphql(query: &str) -> String {
    format!(r#"{{"query":"{query}"}}"#)
}

async fn start(folder: &Path, more: &[&str]) -> Server {
    let url = format!("sqlite://{}", folder.join("bench.db").display());
    let settings = ["bench", "--listen", "127.0.0.1:0", "--database-url", &url];
    Server::start(Settings::parse_from(settings.iter().chain(more)).config).await.unwrap()
}

/// A server with thousands of series.
async fn with_many_series(folder: &Path) -> App {
    let buckets = (1..=BUCKETS).map(|bucket| bucket.to_string()).collect::<Vec<_>>().join(",");
    let app = start(folder, &["--http-duration-buckets", &buckets]).await.app();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/products?limit=1", "/products/0", "/graphql", "/health"] {
            // Also what is refused has series.
            let answer = app.call(request(method, path, "")).await.unwrap();
            to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        }
    }
    app
}

fn hot_paths(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(start(folder.path(), &[]));
    let app = server.app();
    runtime.block_on(send(&app, request("POST", "/products", array(PRODUCTS))));

    let mut bench = |name: &str, app: &App, method: &str, path: &str, body: &dyn Fn() -> String| {
        criterion.bench_function(name, |bencher| {
            let make = || request(method, path, body());
            bencher.to_async(&runtime).iter_batched(
                make,
                |request| send(app, request),
                BatchSize::SmallInput,
            );
        });
    };
    let nothing = String::new;
    bench("layers and metrics alone", &app, "GET", "/health/live", &nothing);
    bench("read one", &app, "GET", "/products/500", &nothing);
    bench("read a page of 100", &app, "GET", "/products?limit=100", &nothing);
    bench("create one", &app, "POST", "/products", &|| array(1).replace(['[', ']'], ""));
    bench("create 1,000", &app, "POST", "/products", &|| array(1000));
    bench("GraphQL: read one", &app, "POST", "/graphql", &|| {
        graphql("{product(id:500){id name price amount}}")
    });
    bench("GraphQL: read a page of 100", &app, "POST", "/graphql", &|| {
        graphql("{products(first:100){edges{node{id name price amount}}}}")
    });
    bench("scrape, hundreds of series", &app, "GET", "/metrics", &nothing);
    let app = runtime.block_on(with_many_series(folder.path()));
    bench("scrape, thousands of series", &app, "GET", "/metrics", &nothing);
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);

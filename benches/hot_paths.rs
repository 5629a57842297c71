//! What requests cost inside the server, without a network: `cargo bench`. On SQLite, in a folder for temporary files.

#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a bench that can't go on ends")]

use std::sync::atomic::{AtomicU64, Ordering};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use clap::Parser;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use stockmeter::{config::Config, server::Server};
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// Names of operations, each with its own series.
const OPERATIONS: usize = 1200;
const PRODUCTS: u64 = 10_000;

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

/// Sends a request and takes the whole answer.
async fn send(app: &Router, request: Request<Body>) -> usize {
    let answer = app.clone().oneshot(request).await.unwrap();
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

async fn start(folder: &std::path::Path) -> Server {
    let url = format!("sqlite://{}", folder.join("bench.db").display());
    let names: Vec<_> = (0..OPERATIONS).map(|number| format!("Operation{number}")).collect();
    let names = names.join(",");
    let settings =
        ["bench", "--listen", "127.0.0.1:0", "--database-url", &url, "--graphql-operation-names", &names];
    Server::start(Settings::parse_from(settings).config).await.unwrap()
}

fn hot_paths(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(start(folder.path()));
    let app = server.app();
    runtime.block_on(send(&app, request("POST", "/products", array(PRODUCTS))));

    let mut bench = |name: &str, method: &str, path: &str, body: &dyn Fn() -> String| {
        criterion.bench_function(name, |bencher| {
            let make = || request(method, path, body());
            bencher.to_async(&runtime).iter_batched(
                make,
                |request| send(&app, request),
                BatchSize::SmallInput,
            );
        });
    };
    let nothing = String::new;
    bench("layers and metrics alone", "GET", "/health/live", &nothing);
    bench("read one", "GET", "/products/500", &nothing);
    bench("read a page of 100", "GET", "/products?limit=100", &nothing);
    bench("create one", "POST", "/products", &|| array(1).replace(['[', ']'], ""));
    bench("create 1,000", "POST", "/products", &|| array(1000));
    bench("GraphQL: read one", "POST", "/graphql", &|| graphql("{product(id:500){id name price amount}}"));
    bench("GraphQL: read a page of 100", "POST", "/graphql", &|| {
        graphql("{products(first:100){edges{node{id name price amount}}}}")
    });
    bench("scrape, few series", "GET", "/metrics", &nothing);
    runtime.block_on(async {
        for number in 0..OPERATIONS {
            let query = graphql(&format!("query Operation{number}{{product(id:1){{id}}}}"));
            send(&app, request("POST", "/graphql", query)).await;
        }
    });
    bench("scrape, thousands of series", "GET", "/metrics", &nothing);
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);

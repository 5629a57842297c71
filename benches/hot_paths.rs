//! Benchmarks of requests to the server, without a network, on a temporary SQLite database. Run them with
//! `cargo bench`.

#![allow(missing_docs, reason = "the macros of criterion generate public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot continue panics")]

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

/// The allocator that the server's binary uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// Number of histogram buckets in the benchmark of a large scrape, far above the default.
const BUCKETS: usize = 250;
const PRODUCTS: u64 = 10_000;

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    request.header("content-type", "application/json").body(body.into()).unwrap()
}

/// Sends a request, reads the whole response body and returns its length in bytes.
async fn send(app: &App, request: Request<Body>) -> usize {
    let response = app.call(request, std::net::Ipv4Addr::LOCALHOST.into()).await.unwrap();
    assert!(response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED);
    to_bytes(response.into_body(), usize::MAX).await.unwrap().len()
}

/// Returns a JSON array of `count` new products.
fn array(count: u64) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    let product = |id| format!(r#"{{"id":{id},"name":"Product number {id}","price":19.99,"amount":7}}"#);
    format!("[{}]", (first..first + count).map(product).collect::<Vec<_>>().join(","))
}

fn graphql(query: &str) -> String {
    format!(r#"{{"query":"{query}"}}"#)
}

async fn start(folder: &Path, arguments: &[&str]) -> Server {
    let url = format!("sqlite://{}", folder.join("bench.db").display());
    let settings = ["bench", "--listen", "127.0.0.1:0", "--database-url", &url];
    Server::start(Settings::parse_from(settings.iter().chain(arguments)).config).await.unwrap()
}

/// Starts a server and sends requests, so that its metrics have thousands of series. Returns the app.
async fn with_many_series(folder: &Path) -> App {
    let buckets = (1..=BUCKETS).map(|bucket| bucket.to_string()).collect::<Vec<_>>().join(",");
    let app = start(folder, &["--http-duration-buckets", &buckets]).await.app();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/products?limit=1", "/products/0", "/graphql", "/health"] {
            // Rejected requests have series too.
            let response =
                app.call(request(method, path, ""), std::net::Ipv4Addr::LOCALHOST.into()).await.unwrap();
            to_bytes(response.into_body(), usize::MAX).await.unwrap();
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
            let new_request = || request(method, path, body());
            bencher.to_async(&runtime).iter_batched(
                new_request,
                |request| send(app, request),
                BatchSize::SmallInput,
            );
        });
    };
    let no_body = String::new;
    bench("middleware and metrics alone", &app, "GET", "/health/live", &no_body);
    bench("read one", &app, "GET", "/products/500", &no_body);
    bench("read a page of 100", &app, "GET", "/products?limit=100", &no_body);
    bench("create one", &app, "POST", "/products", &|| array(1).replace(['[', ']'], ""));
    bench("create 1,000", &app, "POST", "/products", &|| array(1000));
    bench("GraphQL: read one", &app, "POST", "/graphql", &|| {
        graphql("{product(id:500){id name price amount}}")
    });
    bench("GraphQL: read a page of 100", &app, "POST", "/graphql", &|| {
        graphql("{products(first:100){edges{node{id name price amount}}}}")
    });
    bench("scrape, hundreds of series", &app, "GET", "/metrics", &no_body);
    let app = runtime.block_on(with_many_series(folder.path()));
    bench("scrape, thousands of series", &app, "GET", "/metrics", &no_body);
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);

use std::net::Ipv4Addr;

use axum::{body::Body, http::Method};
use clap::Parser;

use super::*;
use crate::{config::Config, server::Server};

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    config: Config,
}

/// Maximum size of the middleware's future in bytes. The future is copied into its box, and 64 futures must
/// fit into the processor's cache.
const MIDDLEWARE: usize = 4096;
/// Maximum size of a handler's future in bytes.
const HANDLER: usize = 4096;

#[tokio::test]
async fn futures_of_hot_requests_stay_small() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let Settings { config } =
        Settings::try_parse_from(["test", "--database-url", &url, "--listen", "127.0.0.1:0"]).unwrap();
    let app = Server::start(config).await.unwrap().app();
    for (method, path) in
        [("GET", "/products/1"), ("GET", "/products"), ("POST", "/products"), ("POST", "/graphql")]
    {
        let request = || Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let middleware = size_of_val(&middleware::handle(app.clone(), request(), Ipv4Addr::LOCALHOST.into()));
        let recognized = app.0.routes.recognize(&method.parse::<Method>().unwrap(), path);
        let handler = size_of_val(&*app.0.handlers.dispatch(recognized, request()));
        println!("{method} {path}: {middleware} and {handler} bytes");
        assert!(middleware <= MIDDLEWARE && handler <= HANDLER, "{method} {path}: {middleware}, {handler}");
    }
}

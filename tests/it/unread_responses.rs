//! Responses that clients do not read count in the budget of bodies.

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};

use crate::{
    harness::{Server, Setup, eventually, http_client},
    limits::{setup, status_line},
    websocket::Socket,
};

const CALLER: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.2";

/// Bytes for three pages of all products and 100 kB more.
const THREE_PAGES: usize = 3_290_000;

/// Returns a setup in which a caller's share of the budget has three pages.
async fn small_budget() -> Setup {
    let setup = setup().await.with("STOCKMETER_BODY_LIMIT", 2_000_000);
    setup.with("STOCKMETER_BODY_BUDGET", 4 * THREE_PAGES)
}

/// Creates a thousand products, the maximum of a page. Their names have a kilobyte, the maximum as well.
async fn load(server: &Server) {
    let name = "\u{1d11e}".repeat(255);
    let products: Value = (0..1000).map(|_| json!({ "name": name, "price": 1, "amount": 1 })).collect();
    assert_eq!(server.post("/products", products.to_string()).await.status, 201);
}

fn page(server: &Server) -> RequestBuilder {
    server.request("GET", "/products?limit=1000")
}

fn graphql(server: &Server, document: &str) -> RequestBuilder {
    let request = server.request("POST", "/graphql").header("content-type", "application/json");
    request.body(json!({ "query": document }).to_string())
}

type Request = Box<dyn Fn(&Server) -> RequestBuilder>;

/// Sends a request from an address. Returns the status, and the connection with the unread body.
async fn send(server: &Server, request: RequestBuilder, address: &str) -> (u16, TcpStream) {
    let request = request.header("x-forwarded-for", address).build().unwrap();
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let query = request.url().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", request.url().path());
    let mut text = format!(
        "{} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n",
        request.method(),
        body.len()
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    let socket = TcpSocket::new_v4().unwrap();
    // The kernel would take a large part of the body.
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut stream = socket.connect(server.address.parse().unwrap()).await.unwrap();
    stream.write_all(&[text.as_bytes(), b"\r\n", body].concat()).await.unwrap();
    let line = status_line(&mut stream).await;
    (line.split(' ').nth(1).unwrap().parse().unwrap(), stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_unread_responses() {
    let server = small_budget().await.start().await;
    load(&server).await;
    let query = "{ products(first: 1000) { nodes { name } } }";
    let requests: [(&str, Request); 5] = [
        ("page", Box::new(page)),
        ("CSV", Box::new(|server| page(server).header("accept", "text/csv"))),
        ("query", Box::new(move |server| graphql(server, query))),
        ("events", Box::new(move |server| graphql(server, query).header("accept", "text/event-stream"))),
        ("GET", Box::new(move |server| server.request("GET", "/graphql").query(&[("query", query)]))),
    ];
    for (name, request) in requests {
        let mut unread = Vec::new();
        for expected in [200, 200, 200, 503, 503] {
            let (status, stream) = send(&server, request(&server), CALLER).await;
            assert_eq!(status, expected, "{name}");
            unread.push(stream);
        }
        assert_eq!(send(&server, request(&server), OTHER).await.0, 200, "{name}");
        drop(unread);
        eventually("the bytes are free again", async || {
            send(&server, request(&server), CALLER).await.0 == 200
        })
        .await;
    }
}

/// All streams of a connection count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_streams_of_http2_are_limited() {
    let server = small_budget().await.start().await;
    load(&server).await;
    let client = http_client().http2_prior_knowledge().http2_initial_stream_window_size(1 << 16);
    let client = client.build().unwrap();
    let mut unread = Vec::new();
    for expected in [200, 200, 200, 503] {
        let request = client.get(server.url("/products?limit=1000")).header("x-forwarded-for", CALLER);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        unread.push(response);
    }
}

/// A change is acknowledged, however many responses its caller has not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_to_a_change_is_never_replaced() {
    let server = small_budget().await.start().await;
    load(&server).await;
    let mut unread = Vec::new();
    for _ in 0..3 {
        let (status, stream) = send(&server, page(&server), CALLER).await;
        assert_eq!(status, 200);
        unread.push(stream);
    }
    let names: String = (0..150).map(|n| format!("n{n}: name ")).collect();
    let query = graphql(&server, &format!("{{ product(id: 1) {{ {names} }} }}"));
    assert_eq!(send(&server, query, CALLER).await.0, 503);
    let mutation = graphql(&server, &format!("mutation {{ adjustStock(id: 1, delta: 1) {{ {names} }} }}"));
    let changed = server.send(mutation.header("x-forwarded-for", CALLER)).await;
    assert_eq!(changed.status, 200);
    assert!(changed.json()["data"]["adjustStock"]["n149"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_messages_are_limited() {
    let setup = setup().await.with("STOCKMETER_BODY_LIMIT", 2_000_000);
    let server = setup.with("STOCKMETER_BODY_BUDGET", THREE_PAGES).start().await;
    load(&server).await;
    let open = async |_| {
        let mut socket = Socket::initialized(&server).await;
        socket.subscribe("1", "{ products(first: 1000) { nodes { name } } }").await;
        socket
    };
    let sockets = join_all((0..4).map(open)).await;
    let closing = join_all(sockets.iter().map(Socket::is_closing)).await;
    assert_eq!(closing.iter().filter(|closing| **closing).count(), 1);
}

//! One caller can use only a share of each limit. The rest remains for other callers.

use reqwest::{RequestBuilder, header::ACCEPT_ENCODING};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UdpSocket},
};

use crate::{
    access::token,
    harness::{Server, Setup, Store, eventually},
    limits::{PRODUCT, fill_budget, load, request_list, setup, status_line},
};

const CALLER: &str = "203.0.113.1";
const OTHER: &str = "203.0.113.2";

const CSV: &str = "name,price,amount\na,1,1\n";
/// File that is rejected before its import needs the database.
const INVALID_CSV: &str = "name,price,amount\na,-1,1\n";

/// Returns a request whose client has this address.
fn from(server: &Server, address: &str, method: &str, path: &str) -> RequestBuilder {
    server.request(method, path).header("x-forwarded-for", address)
}

async fn get(server: &Server, address: &str, path: &str) -> u16 {
    server.send(from(server, address, "GET", path)).await.status
}

async fn post(server: &Server, address: &str, kind: &str, body: impl Into<reqwest::Body>) -> u16 {
    let request = from(server, address, "POST", "/products").header("content-type", kind);
    server.send(request.body(body)).await.status
}

/// Asserts that only shares of callers had an effect: the limit of all clients was not reached.
async fn assert_only_shares(server: &Server, limit: &str) {
    let rejections = async |party: &str| {
        server.metric(&format!(r#"http_rejections_total{{limit="{limit}",party="{party}"}}"#)).await
    };
    assert!(rejections("caller").await > Some(0.0), "{limit}");
    assert_eq!(rejections("everyone").await, Some(0.0), "{limit}");
}

/// Returns an address of this machine that is not a loopback address. No packet is sent.
async fn machine_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    socket.connect("198.51.100.1:9").await.expect("the test needs a network interface other than loopback");
    socket.local_addr().unwrap().ip().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_a_share_of_the_connections() {
    let address = machine_address().await;
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_LISTEN", "0.0.0.0:0");
    let setup = setup.with("STOCKMETER_ANONYMOUS", "metrics").with("STOCKMETER_CONNECTIONS_PER_ADDRESS", 2);
    let connect = async |server: &Server, address: &str| {
        let url = server.address.replace("127.0.0.1", address);
        let mut stream = TcpStream::connect(url).await.unwrap();
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let is_open = status_line(&mut stream).await == "HTTP/1.1 200 OK\r\n";
        is_open.then_some(stream)
    };
    let start = async |setup: Setup| {
        let mut server = setup.start().await;
        server.address = server.address.replace("0.0.0.0", "127.0.0.1");
        server
    };
    let server = start(setup.clone()).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(connect(&server, &address).await.expect("the address has two connections"));
    }
    assert!(connect(&server, &address).await.is_none(), "the share is used up");
    // Loopback has no limit of its own.
    for _ in 0..3 {
        open.push(connect(&server, "127.0.0.1").await.expect("loopback is not limited"));
    }
    assert_only_shares(&server, "connections").await;
    open.remove(0);
    eventually("a connection is free again", async || connect(&server, &address).await.is_some()).await;

    // A proxy has the connections of many clients.
    let server = start(setup.with("STOCKMETER_TRUSTED_PROXIES", format!("{address}/32"))).await;
    for _ in 0..3 {
        open.push(connect(&server, &address).await.expect("a trusted proxy is not limited"));
    }
}

/// The holders of two tokens are two callers, even if they have the same address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_requests() {
    let setup = Setup::new(Store::Sqlite).await.with("STOCKMETER_CONCURRENT_REQUESTS", 4);
    let create = async || token(&setup, &["create", "--name", "a", "--scope", "write"]).await;
    let (caller, other) = (create().await, create().await);
    let server = setup.clone().with("STOCKMETER_ANONYMOUS", "metrics").start().await;
    let database = server.direct_connection().await;
    let transaction = database.begin().await.unwrap();
    transaction.execute_unprepared("INSERT INTO product VALUES (1, 'a', 1, 1, 1)").await.unwrap();
    let get = |token: &str| server.send(server.request("GET", "/products/1").bearer_auth(token));
    let query = |token: &str| {
        let query = json!({ "query": "{ product(id: 1) { id } }" }).to_string();
        let request = server.request("POST", "/graphql").header("content-type", "application/json");
        server.send(request.bearer_auth(token).body(query))
    };
    // The write holds the permit while it waits for the transaction. Until then, reads may have the permit.
    let write = async {
        loop {
            let request = server.request("POST", "/products").header("content-type", "application/json");
            let response = server.send(request.bearer_auth(&caller).body(PRODUCT)).await;
            if response.status != 503 {
                return response;
            }
        }
    };
    let reads = async {
        eventually("the caller's permit is taken", async || get(&caller).await.status == 503).await;
        get(&caller).await.is_problem(503, "OVERLOADED", &[]);
        query(&caller).await.is_graphql_error(503, "OVERLOADED");
        assert_eq!((get(&other).await.status, query(&other).await.status), (404, 200));
        assert_only_shares(&server, "requests").await;
        transaction.rollback().await.unwrap();
    };
    let (response, ()) = tokio::join!(write, reads);
    assert_eq!(response.status, 201);
    eventually("the permit is free again", async || get(&caller).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_imports() {
    // A quarter of the permits is for imports.
    let server = setup().await.with("STOCKMETER_CONCURRENT_REQUESTS", 16).start().await;
    let database = server.direct_connection().await;
    let transaction = database.begin().await.unwrap();
    transaction.execute_unprepared("INSERT INTO product VALUES (1, 'a', 1, 1, 1)").await.unwrap();
    let import = async {
        loop {
            let status = post(&server, CALLER, "text/csv", CSV).await;
            if status != 503 {
                return status;
            }
        }
    };
    let others = async {
        let invalid = async |address| post(&server, address, "text/csv", INVALID_CSV).await;
        eventually("the caller's permit is taken", async || invalid(CALLER).await == 503).await;
        assert_eq!(invalid(OTHER).await, 422);
        assert_only_shares(&server, "imports").await;
        transaction.rollback().await.unwrap();
    };
    let (status, ()) = tokio::join!(import, others);
    assert_eq!(status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_subscriptions() {
    let server = setup().await.with("STOCKMETER_SUBSCRIPTIONS", 8).start().await;
    let rest = |address| from(&server, address, "GET", "/products/changes");
    let graphql = |address| {
        let query = json!({ "query": "subscription { productChanged { kind } }" }).to_string();
        let request = from(&server, address, "POST", "/graphql").header("accept", "text/event-stream");
        request.header("content-type", "application/json").body(query)
    };
    let open = async |request: RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response
    };
    let mut streams = vec![open(rest(CALLER)).await, open(graphql(CALLER)).await];
    server.send(rest(CALLER)).await.is_problem(503, "OVERLOADED", &[]);
    server.send(graphql(CALLER)).await.is_graphql_error(503, "OVERLOADED");
    streams.push(open(rest(OTHER)).await);
    streams.push(open(graphql(OTHER)).await);
    assert_only_shares(&server, "subscriptions").await;
    streams.remove(0);
    eventually("a subscription is free again", async || rest(CALLER).send().await.unwrap().status() == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_lists() {
    let server = setup().await.with("STOCKMETER_STREAMED_LISTS", 4).start().await;
    load(&server).await;
    let unread = request_list(&server, CALLER, "identity").await;
    server.send(from(&server, CALLER, "GET", "/products")).await.is_problem(503, "OVERLOADED", &[]);
    assert_eq!(get(&server, CALLER, "/products?limit=1").await, 200, "a page is no list");
    assert_eq!(get(&server, OTHER, "/products").await, 200);
    assert_only_shares(&server, "lists").await;
    drop(unread);
    eventually("a list is free again", async || get(&server, CALLER, "/products").await == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_compressors() {
    let server = setup().await.with("STOCKMETER_COMPRESSIONS", 4).start().await;
    load(&server).await;
    let unread = request_list(&server, CALLER, "br").await;
    let encoding = async |address| {
        let request = from(&server, address, "GET", "/products?limit=1000").header(ACCEPT_ENCODING, "br");
        let response = server.send(request).await;
        response.header("content-encoding").to_owned()
    };
    assert_eq!(encoding(CALLER).await, "");
    assert_eq!(encoding(OTHER).await, "br");
    assert_only_shares(&server, "compressions").await;
    drop(unread);
    eventually("a compressor is free again", async || encoding(CALLER).await == "br").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_bodies() {
    let setup = setup().await.with("STOCKMETER_BODY_LIMIT", 1000).with("STOCKMETER_BODY_BUDGET", 8000);
    let server = setup.start().await;
    let held = fill_budget(&server, "application/json", 1000, 2).await;
    let send = async |address| post(&server, address, "application/json", PRODUCT).await;
    assert_eq!((send(CALLER).await, send(OTHER).await), (503, 201));
    assert_only_shares(&server, "bodies").await;
    drop(held);
    eventually("the bytes are free again", async || send(CALLER).await == 201).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_share_of_the_uploads() {
    let setup = setup().await.with("STOCKMETER_IMPORT_LIMIT", 1000).with("STOCKMETER_IMPORT_SPACE", 8000);
    let server = setup.start().await;
    let held = fill_budget(&server, "text/csv", 1000, 2).await;
    let send = async |address| post(&server, address, "text/csv", CSV).await;
    assert_eq!((send(CALLER).await, send(OTHER).await), (503, 201));
    assert_only_shares(&server, "uploads").await;
    drop(held);
    eventually("the space is free again", async || send(CALLER).await == 201).await;
}

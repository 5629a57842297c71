//! What strangers can take of the server: memory, permits, sockets and connections. Each attack in a small version.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

use crate::{
    harness::{Server, Setup, Store, TIMEOUT, eventually},
    websocket::Socket,
};

const PRODUCT: &str = r#"{"name":"x","price":1,"amount":1}"#;

/// Returns a setup in which clients choose their address with `X-Forwarded-For`.
async fn setup() -> Setup {
    Setup::new(Store::Sqlite).await.with("STOCKMETER_TRUSTED_PROXIES", "127.0.0.0/8")
}

/// Sends the headers of a request, and waits until the server waits for its body.
async fn announce(server: &Server, address: &str, path: &str, kind: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 25];
    let received = tokio::time::timeout(TIMEOUT, stream.read_exact(&mut line)).await;
    received.expect("the server responds").unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

/// Returns the status line of a response, or an empty line if the connection ends.
async fn status_line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    let _ = BufReader::new(stream).read_line(&mut line).await;
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies_stay_within_the_budget() {
    const BUDGET: usize = 16 << 20;
    let server = setup().await.with("STOCKMETER_BODY_BUDGET", BUDGET).start().await;
    let before = server.resident_bytes();
    let part = vec![b' '; 9_900_000];
    let send = async |number: usize| {
        let address = format!("203.0.113.{number}");
        let path = if number.is_multiple_of(2) { "/products" } else { "/graphql" };
        let mut stream = announce(&server, &address, path, "application/json", 10_000_000).await;
        // A rejected client may find the connection closed.
        let _ = stream.write_all(&part).await;
        stream
    };
    let mut streams = join_all((0..30).map(send)).await;
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < BUDGET + (64 << 20), "{growth} bytes");
    assert_eq!(server.get("/products").await.status, 200);
    let rejections = r#"http_rejections_total{limit="bodies",party="everyone"}"#;
    eventually("most bodies are rejected", async || server.metric(rejections).await.unwrap() >= 20.0).await;
    // The bytes of clients that disconnect return to the budget.
    streams.clear();
    eventually("bodies are accepted", async || server.post("/products", PRODUCT).await.status == 201).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_above_the_budget_is_rejected() {
    let server =
        setup().await.with("STOCKMETER_BODY_LIMIT", 1 << 20).with("STOCKMETER_BODY_BUDGET", 1).start().await;
    let mut held = announce(&server, "203.0.113.1", "/products", "application/json", 1 << 20).await;
    held.write_all(&vec![b' '; (1 << 20) - 1]).await.unwrap();
    let large = format!("{PRODUCT}{}", " ".repeat(600_000));
    eventually("the first body is in memory", async || {
        let response = server.post("/products", large.clone()).await;
        if response.status == 503 {
            response.is_problem(503, "OVERLOADED", &[]);
            assert_eq!(response.header("retry-after"), "1");
        }
        response.status == 503
    })
    .await;
    let query = format!(r#"{{"query":"{{ product(id: 1) {{ id }} }}"{}}}"#, " ".repeat(600_000));
    server.post("/graphql", query).await.is_graphql_error(503, "OVERLOADED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_hold_no_permit() {
    let server = setup().await.with("STOCKMETER_CONCURRENT_REQUESTS", 2).start().await;
    let mut slow = Vec::new();
    for (path, kind) in
        [("/products", "application/json"), ("/graphql", "application/json"), ("/products", "text/csv")]
    {
        for _ in 0..4 {
            slow.push(announce(&server, "203.0.113.1", path, kind, 100).await);
        }
    }
    assert_eq!(server.get("/products").await.status, 200);
    assert_eq!(server.post("/products", PRODUCT).await.status, 201);
    server.graphql("{ product(id: 1) { name } }", json!({})).await;
    let file = server.request("POST", "/products").header("content-type", "text/csv");
    assert_eq!(server.send(file.body("name,price,amount\na,1,1\n")).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_on_disk_are_limited() {
    let setup = setup().await.with("STOCKMETER_IMPORT_LIMIT", 1000).with("STOCKMETER_IMPORT_SPACE", 1000);
    let server = setup.start().await;
    let mut held = announce(&server, "203.0.113.1", "/products", "text/csv", 1000).await;
    held.write_all(&[b'a'; 999]).await.unwrap();
    let import = async || {
        let file = server.request("POST", "/products").header("content-type", "text/csv");
        server.send(file.body("name,price,amount\na,1,1\n")).await
    };
    eventually("the first file is on disk", async || import().await.status == 503).await;
    import().await.is_problem(503, "OVERLOADED", &[]);
    drop(held);
    eventually("the space is free again", async || import().await.status == 201).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_sends_little_before_it_says_who_it_is() {
    let server = Server::start(Store::Sqlite).await;
    let before = server.resident_bytes();
    let attack = async |_| {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status_line(&mut stream).await, "HTTP/1.1 101 Switching Protocols\r\n");
        // Fragments of 60 kB, masked by zeros, of a text message that never ends.
        for opcode in (0..100).map(|number| u8::from(number == 0)) {
            let mut frame = vec![opcode, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
            frame.resize(8 + 60_000, b' ');
            if stream.write_all(&frame).await.is_err() {
                break;
            }
        }
        stream
    };
    let _streams = join_all((0..30).map(attack)).await;
    let growth = server.resident_bytes().saturating_sub(before);
    assert!(growth < 30 << 20, "{growth} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_have_a_maximum_size() {
    let server = Server::start(Store::Sqlite).await;
    let mut socket = Socket::initialized(&server).await;
    let comment = |size| format!("{{ product(id: 1) {{ id }} }} #{}", "x".repeat(size));
    socket.subscribe("1", &comment(500_000)).await;
    let error = socket.receive().await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "DOCUMENT_TOO_LARGE", "{error}");
    socket.subscribe("2", &comment(1 << 20)).await;
    assert_eq!(socket.close_code().await, 1009);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_limited_in_all_and_for_each_caller() {
    let server = setup().await.with("STOCKMETER_WEBSOCKETS", 4).start().await;
    let open = async |address: &str| {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        headers.insert("x-forwarded-for", address.parse().unwrap());
        connect_async(request).await.map(|(socket, _)| socket).map_err(|error| match error {
            tokio_tungstenite::tungstenite::Error::Http(response) => response.status().as_u16(),
            other => panic!("{other}"),
        })
    };
    let first = open("203.0.113.1").await.unwrap();
    assert_eq!(open("203.0.113.1").await.unwrap_err(), 503, "a caller has a quarter of the sockets");
    let mut others = Vec::new();
    for address in ["203.0.113.2", "2001:db8::1", "2001:db8:0:1::1"] {
        others.push(open(address).await.unwrap());
    }
    assert_eq!(open("203.0.113.3").await.unwrap_err(), 503, "all sockets are open");
    for party in ["caller", "everyone"] {
        let series = format!(r#"http_rejections_total{{limit="websockets",party="{party}"}}"#);
        assert_eq!(server.metric(&series).await, Some(1.0), "{party}");
    }
    drop(first);
    eventually("a socket is free again", async || open("203.0.113.3").await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_limited() {
    let server = setup().await.with("STOCKMETER_CONNECTIONS", 3).start().await;
    let respond = async |stream: &mut TcpStream| {
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        status_line(stream).await
    };
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        assert_eq!(respond(&mut stream).await, "HTTP/1.1 200 OK\r\n");
        open.push(stream);
    }
    let mut rejected = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(respond(&mut rejected).await, "");
    open.pop();
    eventually("a connection is free again", async || {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        respond(&mut stream).await == "HTTP/1.1 200 OK\r\n"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_headers_have_a_maximum_size() {
    let server = Server::start(Store::Sqlite).await;
    for (size, expected) in [(30_000, "HTTP/1.1 200"), (70_000, "HTTP/1.1 431")] {
        let filler = "x".repeat(size);
        let request = format!(
            "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Filler: {filler}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let status = status_line(&mut stream).await;
        assert!(status.starts_with(expected), "{size}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_do_not_keep_a_connection_open() {
    let server = setup().await.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    // The preface and empty settings.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let (mut receive, mut send) = stream.split();
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let pings = async {
        while send.write_all(b"\0\0\x08\x06\0\0\0\0\0PINGPING").await.is_ok() {
            clock.tick().await;
        }
    };
    let mut received = Vec::new();
    let closed = async {
        tokio::select! {
            () = pings => {}
            _ = receive.read_to_end(&mut received) => {}
        }
    };
    tokio::time::timeout(TIMEOUT, closed).await.expect("the connection closes");
}

async fn load(server: &Server) {
    let products = (0..50_000).map(|number: u64| {
        // Names that do not compress well.
        let name =
            format!("{:032x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        json!({ "name": name.repeat(4), "price": 1.5, "amount": 1 })
    });
    assert_eq!(server.post("/products", products.collect::<Value>().to_string()).await.status, 201);
}

async fn request_list(server: &Server, address: &str, encoding: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "GET /products HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\nAccept-Encoding: {encoding}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    // The client reads only the first byte of the response.
    stream.read_u8().await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_lists_that_are_not_read_take_little_memory() {
    let server = setup().await.with("STOCKMETER_COMPRESSIONS", 4).start().await;
    load(&server).await;
    // The first list fills caches.
    assert_eq!(server.get("/products").await.status, 200);
    let before = server.resident_bytes();
    let mut readers = Vec::new();
    for number in 0..30 {
        readers.push(request_list(&server, &format!("203.0.113.{number}"), "br").await);
    }
    let (mut growth, mut last) = (1, 0);
    eventually("the lists make no more progress", async || {
        last = growth;
        server.get("/products/1").await;
        growth = server.resident_bytes().saturating_sub(before);
        growth == last
    })
    .await;
    assert!(growth < 100 << 20, "{growth} bytes for 30 readers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_are_disconnected() {
    let setup = setup().await.with("STOCKMETER_STREAMED_LISTS", 2);
    let server = setup.with("STOCKMETER_IDLE_TIMEOUT", "1s").start().await;
    load(&server).await;
    let _readers = [
        request_list(&server, "203.0.113.1", "identity").await,
        request_list(&server, "203.0.113.2", "identity").await,
    ];
    server.get("/products").await.is_problem(503, "OVERLOADED", &[]);
    eventually("the lists have ended", async || server.get("/products").await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_authentications_are_limited() {
    let server = setup().await.with("STOCKMETER_FAILED_AUTHENTICATIONS", 3).start().await;
    let get = async |address: &str| {
        let request = server.request("GET", "/products").header("x-forwarded-for", address);
        server.send(request.bearer_auth("wrong")).await
    };
    for _ in 0..3 {
        get("203.0.113.1").await.is_problem(401, "UNAUTHORIZED", &[]);
    }
    let limited = get("203.0.113.1").await;
    limited.is_problem(429, "RATE_LIMITED", &[]);
    assert!((1..=21).contains(&limited.header("retry-after").parse::<u64>().unwrap()), "{limited:?}");
    get("203.0.113.2").await.is_problem(401, "UNAUTHORIZED", &[]);
    assert_eq!(server.get("/products").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_subscriptions_have_the_status_of_their_code() {
    let server = setup().await.with("STOCKMETER_SUBSCRIPTIONS", 4).start().await;
    let subscribe = || {
        let query = [("query", "subscription { productChanged { id } }")];
        let request = server.request("GET", "/graphql").query(&query).header("accept", "text/event-stream");
        request.header("x-forwarded-for", "203.0.113.1").send()
    };
    let first = subscribe().await.unwrap();
    assert_eq!(first.status(), 200);
    let second = subscribe().await.unwrap();
    assert_eq!((second.status().as_u16(), &second.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let body: Value = serde_json::from_str(&second.text().await.unwrap()).unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "OVERLOADED");
}

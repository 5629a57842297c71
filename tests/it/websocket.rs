//! GraphQL over `WebSocket` with the graphql-transport-ws protocol.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::frame::coding::{CloseCode, Control, OpCode},
    },
};

use crate::harness::{Server, Setup, Store, TIMEOUT};

on_both_stores!(
    operations_return_their_results,
    a_subscription_lasts_until_it_is_completed,
    protocol_violations_close_the_socket,
    a_shutdown_closes_sockets_as_going_away,
    a_silent_client_is_disconnected,
    pings_of_a_client_that_reads_nothing_take_no_memory,
);

const CHANGED: &str = "subscription Changed { productChanged { kind id } }";

/// A client of the graphql-transport-ws protocol.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(server: &Server) -> Self {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        Self(socket)
    }

    /// Opens a socket and completes the handshake of the GraphQL protocol.
    pub async fn initialized(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    pub async fn receive(&mut self) -> Value {
        let text = async {
            loop {
                match self.0.next().await.expect("the socket is open").unwrap() {
                    Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                    Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(TIMEOUT, text).await.expect("a message arrives")
    }

    /// Waits for a frame, and returns whether it closes the socket. The frame stays unread.
    pub async fn is_closing(&self) -> bool {
        let MaybeTlsStream::Plain(stream) = self.0.get_ref() else { panic!("no TLS") };
        let mut start = [0];
        tokio::time::timeout(TIMEOUT, stream.peek(&mut start)).await.expect("a frame arrives").unwrap();
        // The flag of a last frame, and the opcode.
        start[0] == 0x80 | u8::from(OpCode::Control(Control::Close))
    }

    /// Returns the code with which the server closes the socket.
    pub async fn close_code(&mut self) -> u16 {
        let message = tokio::time::timeout(TIMEOUT, self.0.next()).await.expect("a message arrives");
        match message {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}

async fn operations_return_their_results(store: Store) {
    let server = Server::start(store).await;
    let mut socket = Socket::initialized(&server).await;
    let create = "mutation { createProduct(input: { name: \"a\", price: 1, amount: 1 }) { id } }";
    for (id, query, data) in [
        ("1", "{ product(id: 1) { id } }", json!({ "product": null })),
        ("2", create, json!({ "createProduct": { "id": "1" } })),
        // The id of a completed operation can be used again.
        ("1", "{ product(id: 1) { id } }", json!({ "product": { "id": "1" } })),
    ] {
        socket.subscribe(id, query).await;
        let next = json!({ "type": "next", "id": id, "payload": { "data": data } });
        assert_eq!(socket.receive().await, next);
        assert_eq!(socket.receive().await, json!({ "type": "complete", "id": id }));
    }
    let two = "subscription { a: productChanged { id } b: productChanged { id } }";
    for (query, code) in [("{", "MALFORMED"), ("{ nothing }", "INVALID"), (two, "INVALID")] {
        socket.subscribe("3", query).await;
        let error = socket.receive().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("3")));
        assert_eq!(error["payload"][0]["extensions"]["code"], code);
    }
    socket.send(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong", "payload": { "n": 1 } }));
}

async fn a_subscription_lasts_until_it_is_completed(store: Store) {
    let server = Server::start(store).await;
    let mut socket = Socket::initialized(&server).await;
    socket.subscribe("1", CHANGED).await;
    // The response to a later operation proves that the subscription has started.
    socket.subscribe("2", "{ __typename }").await;
    assert_eq!(socket.receive().await["id"], "2");
    assert_eq!(socket.receive().await["id"], "2");
    for id in 1..=3 {
        server.post("/products", format!(r#"{{"id":{id},"name":"a","price":1,"amount":1}}"#)).await;
        let change = socket.receive().await;
        let expected = json!({ "productChanged": { "kind": "CREATED", "id": id.to_string() } });
        assert_eq!((&change["id"], &change["payload"]["data"]), (&json!("1"), &expected));
    }
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    // The server does not confirm the message. The id can be used again at once.
    socket.subscribe("1", "{ __typename }").await;
    assert_eq!(socket.receive().await["payload"], json!({ "data": { "__typename": "Query" } }));
    assert_eq!(socket.receive().await, json!({ "type": "complete", "id": "1" }));

    for n in 0..100 {
        socket.subscribe(&format!("s{n}"), CHANGED).await;
    }
    socket.subscribe("one too many", CHANGED).await;
    assert_eq!(socket.receive().await["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS");
}

async fn protocol_violations_close_the_socket(store: Store) {
    let server = Server::start(store).await;
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": CHANGED } });
    let init = json!({ "type": "connection_init" });
    for (messages, code) in [
        (vec![json!({ "type": "nonsense" })], 4400),
        (vec![json!("x")], 4400),
        (vec![subscribe.clone()], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), subscribe.clone(), subscribe.clone()], 4409),
        (
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": "1".repeat(257), "payload": { "query": CHANGED } }),
            ],
            4400,
        ),
    ] {
        let mut socket = Socket::open(&server).await;
        for message in &messages {
            socket.send(message.clone()).await;
        }
        for _ in messages.iter().filter(|message| **message == init).take(1) {
            socket.receive().await;
        }
        assert_eq!(socket.close_code().await, code, "{messages:?}");
    }
    let mut binary = Socket::initialized(&server).await;
    binary.0.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(binary.close_code().await, 4400);

    for protocol in [None, Some("graphql-ws"), Some("soap")] {
        let upgrade = server.request("GET", "/graphql").header("connection", "upgrade");
        let upgrade = upgrade.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let upgrade = upgrade.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let upgrade = protocol
            .into_iter()
            .fold(upgrade, |upgrade, name| upgrade.header("sec-websocket-protocol", name));
        server.send(upgrade).await.is_problem(400, "MALFORMED", &[]);
    }
}

async fn a_shutdown_closes_sockets_as_going_away(store: Store) {
    let mut server = Server::start(store).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = Socket::initialized(&server).await;
        socket.subscribe("1", CHANGED).await;
        socket.subscribe("2", "{ __typename }").await;
        socket.receive().await;
        socket.receive().await;
        sockets.push(socket);
    }
    server.signal(rustix::process::Signal::TERM);
    for socket in &mut sockets {
        // Clients reconnect after this code. A `complete` message would end their subscriptions.
        assert_eq!(socket.close_code().await, u16::from(CloseCode::Away));
    }
    assert_eq!(server.wait_for_exit().await.code(), Some(0));
}

/// The server must stop reading: it would otherwise keep a response to each ping.
async fn pings_of_a_client_that_reads_nothing_take_no_memory(store: Store) {
    const TOTAL: usize = 64 << 20;
    let server = Server::start(store).await;
    let mut socket = Socket::initialized(&server).await;
    let MaybeTlsStream::Plain(stream) = socket.0.get_mut() else {
        panic!("the socket has no TLS");
    };
    // Frames with a mask of zeros and 125 bytes of payload.
    let ping = [&[0x89, 0xfd, 0, 0, 0, 0][..], &[b'a'; 125]].concat();
    let pings = ping.repeat(1000);
    let mut sent = 0;
    while sent < TOTAL {
        let written = AsyncWriteExt::write_all(stream, &pings);
        // A server that reads needs milliseconds for this.
        if tokio::time::timeout(Duration::from_secs(2), written).await.is_err() {
            break;
        }
        sent += pings.len();
    }
    assert!(sent < TOTAL, "the server has read {sent} bytes of pings");
}

async fn a_silent_client_is_disconnected(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    let mut responsive = Socket::initialized(&server).await;
    let mut silent = TcpStream::connect(&server.address).await.unwrap();
    let upgrade = "GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut silent, upgrade.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut received);
    // A client that replies to pings stays connected. This client replies while it waits for a message.
    tokio::select! {
        closed = tokio::time::timeout(TIMEOUT, closed) => drop(closed.expect("the silent connection is closed")),
        message = responsive.receive() => panic!("{message}"),
    }
    responsive.subscribe("1", "{ __typename }").await;
    assert_eq!(responsive.receive().await["type"], "next");
}

//! GraphQL over a WebSocket, by the letter of graphql-transport-ws.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::harness::{Server, Setup, Store, TIMEOUT};

on_both_stores!(
    operations_are_told_what_becomes_of_them,
    a_subscription_goes_on_until_it_is_ended,
    breaches_of_the_protocol_close_the_socket,
    clients_are_told_that_the_server_goes_away,
    a_silent_client_is_let_go,
);

const CHANGED: &str = "subscription Changed { productChanged { kind id } }";

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &Server) -> Self {
        let mut request = format!("ws://{}/graphql", server.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (socket, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "graphql-transport-ws");
        Self(socket)
    }

    /// Open, and past the greeting.
    async fn ready(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn begin(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn hear(&mut self) -> Value {
        let text = async {
            loop {
                match self.0.next().await.expect("it is open").unwrap() {
                    Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                    Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(TIMEOUT, text).await.expect("a message comes")
    }

    /// The code that the server closes with.
    async fn closed(&mut self) -> u16 {
        let message = tokio::time::timeout(TIMEOUT, self.0.next()).await.expect("a message comes");
        match message {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}

async fn operations_are_told_what_becomes_of_them(store: Store) {
    let server = Server::start(store).await;
    let mut socket = Socket::ready(&server).await;
    let create = "mutation { createProduct(input: { name: \"a\", price: 1, amount: 1 }) { id } }";
    for (id, query, data) in [
        ("1", "{ product(id: 1) { id } }", json!({ "product": null })),
        ("2", create, json!({ "createProduct": { "id": "1" } })),
        // An id is free again when its operation has ended.
        ("1", "{ product(id: 1) { id } }", json!({ "product": { "id": "1" } })),
    ] {
        socket.begin(id, query).await;
        let next = json!({ "type": "next", "id": id, "payload": { "data": data } });
        assert_eq!(socket.hear().await, next);
        assert_eq!(socket.hear().await, json!({ "type": "complete", "id": id }));
    }
    let two = "subscription { a: productChanged { id } b: productChanged { id } }";
    for (query, code) in [("{", "MALFORMED"), ("{ nothing }", "INVALID"), (two, "INVALID")] {
        socket.begin("3", query).await;
        let error = socket.hear().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("3")));
        assert_eq!(error["payload"][0]["extensions"]["code"], code);
    }
    socket.say(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
}

async fn a_subscription_goes_on_until_it_is_ended(store: Store) {
    let server = Server::start(store).await;
    let mut socket = Socket::ready(&server).await;
    socket.begin("1", CHANGED).await;
    // What is answered behind it shows that it stands.
    socket.begin("2", "{ __typename }").await;
    assert_eq!(socket.hear().await["id"], "2");
    assert_eq!(socket.hear().await["id"], "2");
    for id in 1..=3 {
        server.post("/products", format!(r#"{{"id":{id},"name":"a","price":1,"amount":1}}"#)).await;
        let change = socket.hear().await;
        let expected = json!({ "productChanged": { "kind": "CREATED", "id": id.to_string() } });
        assert_eq!((&change["id"], &change["payload"]["data"]), (&json!("1"), &expected));
    }
    socket.say(json!({ "type": "complete", "id": "1" })).await;
    // Nothing is said to that, and the id is free at once.
    socket.begin("1", "{ __typename }").await;
    assert_eq!(socket.hear().await["payload"], json!({ "data": { "__typename": "Query" } }));
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "1" }));

    for n in 0..100 {
        socket.begin(&format!("s{n}"), CHANGED).await;
    }
    socket.begin("one too many", CHANGED).await;
    assert_eq!(socket.hear().await["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS");
}

async fn breaches_of_the_protocol_close_the_socket(store: Store) {
    let server = Server::start(store).await;
    let begin = json!({ "type": "subscribe", "id": "1", "payload": { "query": CHANGED } });
    let init = json!({ "type": "connection_init" });
    for (messages, code) in [
        (vec![json!({ "type": "nonsense" })], 4400),
        (vec![json!("x")], 4400),
        (vec![begin.clone()], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![init.clone(), begin.clone(), begin.clone()], 4409),
    ] {
        let mut socket = Socket::open(&server).await;
        for message in &messages {
            socket.say(message.clone()).await;
        }
        for _ in messages.iter().filter(|message| **message == init).take(1) {
            socket.hear().await;
        }
        assert_eq!(socket.closed().await, code, "{messages:?}");
    }
    let mut binary = Socket::ready(&server).await;
    binary.0.send(Message::binary(b"{}".to_vec())).await.unwrap();
    assert_eq!(binary.closed().await, 4400);

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

async fn clients_are_told_that_the_server_goes_away(store: Store) {
    let mut server = Server::start(store).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = Socket::ready(&server).await;
        socket.begin("1", CHANGED).await;
        socket.begin("2", "{ __typename }").await;
        socket.hear().await;
        socket.hear().await;
        sockets.push(socket);
    }
    server.signal(rustix::process::Signal::TERM);
    for socket in &mut sockets {
        // Not that their subscriptions were complete: they come back.
        assert_eq!(socket.closed().await, u16::from(CloseCode::Away));
    }
    assert_eq!(server.ended().await.code(), Some(0));
}

async fn a_silent_client_is_let_go(store: Store) {
    let server = Setup::new(store).await.with("STOCKMETER_IDLE_TIMEOUT", "300ms").start().await;
    let mut answering = Socket::ready(&server).await;
    let mut silent = TcpStream::connect(&server.address).await.unwrap();
    let upgrade = "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut silent, upgrade.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let gone = tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut said);
    // One that answers pings, as this library does while it listens, stays.
    tokio::select! {
        gone = tokio::time::timeout(TIMEOUT, gone) => drop(gone.expect("it is closed")),
        message = answering.hear() => panic!("{message}"),
    }
    answering.begin("1", "{ __typename }").await;
    assert_eq!(answering.hear().await["type"], "next");
}

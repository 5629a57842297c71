//! A client for server-sent events.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Server, TIMEOUT};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    pub id: String,
    pub data: Value,
}

/// An open event stream. Dropping it closes the connection.
pub struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    async fn open(request: RequestBuilder) -> Self {
        let response = request.timeout(TIMEOUT * 2).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{response:?}");
        Self { response, buffer: String::new() }
    }

    /// Waits for the next event and returns it, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
            }
            let chunk =
                tokio::time::timeout(TIMEOUT, self.response.chunk()).await.expect("an event arrives in time");
            self.buffer.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// Waits for the next `count` events and returns their kinds.
    pub async fn next_kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(self.next().await.expect("the stream continues").kind);
        }
        kinds
    }
}

/// Parses one event. Returns `None` for a keep-alive comment.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let (kind, id, data) = (field("event"), field("id"), field("data"));
    (!kind.is_empty()).then(|| Event { kind, id, data: serde_json::from_str(&data).unwrap() })
}

impl Server {
    /// Opens the event stream of `GET /products/changes`.
    pub async fn follow(&self, query: &str, last_event_id: &str) -> Events {
        let request = self.request("GET", &format!("/products/changes{query}"));
        Events::open(request.header("last-event-id", last_event_id)).await
    }

    /// Opens a GraphQL subscription over server-sent events.
    pub async fn subscribe(&self, query: &str, variables: Value) -> Events {
        let request = self.request("POST", "/graphql").header("accept", "text/event-stream");
        let body = json!({ "query": query, "variables": variables }).to_string();
        Events::open(request.header("content-type", "application/json").body(body)).await
    }
}

//! Server-sent events, as they come.

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Server, TIMEOUT};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: String,
    pub id: String,
    pub data: Value,
}

/// A stream of them, open until it is dropped.
pub struct Events {
    response: Response,
    text: String,
}

impl Events {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.timeout(TIMEOUT * 2).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{response:?}");
        Self { response, text: String::new() }
    }

    /// The next event, awaited; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk()).await.expect("an event comes");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The kinds of the next events.
    pub async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(self.next().await.expect("the stream goes on").kind);
        }
        kinds
    }
}

/// None for a comment that only keeps the connection alive.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let (kind, id, data) = (field("event"), field("id"), field("data"));
    (!kind.is_empty()).then(|| Event { kind, id, data: serde_json::from_str(&data).unwrap() })
}

impl Server {
    /// Follows `GET /products/changes`.
    pub async fn follow(&self, query: &str, last_event_id: &str) -> Events {
        let request = self.request("GET", &format!("/products/changes{query}"));
        Events::of(request.header("last-event-id", last_event_id)).await
    }

    /// Subscribes by GraphQL, over server-sent events.
    pub async fn subscribe(&self, query: &str, variables: Value) -> Events {
        let request = self.request("POST", "/graphql").header("accept", "text/event-stream");
        let body = json!({ "query": query, "variables": variables }).to_string();
        Events::of(request.header("content-type", "application/json").body(body)).await
    }
}

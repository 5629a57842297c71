//! Stream of an operation's responses: any number for a subscription, one for queries and mutations.

use std::sync::Arc;

use async_graphql::Response;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::Notify;

/// Responses to an operation.
pub struct ResponseStream {
    pub stream: BoxStream<'static, Response>,
    /// Signal that a subscription has started. `None` for other responses, and after the signal.
    pub subscribed: Option<Arc<Notify>>,
}

impl ResponseStream {
    pub fn is_subscription(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Returns the stream, which holds `guard` until the stream is dropped.
    pub fn with_guard(self, guard: impl Send + 'static) -> Self {
        let stream = self.stream.map(move |response| {
            let _guard = &guard;
            response
        });
        Self { stream: stream.boxed(), ..self }
    }

    /// Waits until a subscription has started or failed. A started subscription misses no changes.
    pub async fn wait_until_subscribed(mut self) -> Self {
        if let Some(subscribed) = self.subscribed.take() {
            let first = tokio::select! {
                biased;
                first = self.stream.next() => first,
                () = subscribed.notified() => None,
            };
            self.stream = stream::iter(first).chain(self.stream).boxed();
        }
        self
    }
}

impl From<Response> for ResponseStream {
    fn from(response: Response) -> Self {
        Self { stream: stream::iter([response]).boxed(), subscribed: None }
    }
}

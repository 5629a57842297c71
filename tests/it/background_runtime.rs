//! Response bodies produced on the background runtime.

use std::{future::poll_fn, task::Poll};

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{StreamExt, stream};
use stockmeter::background_runtime;
use tokio::sync::mpsc;

use crate::harness::TIMEOUT;

type Chunk = Result<Bytes, axum::Error>;

/// Returns a body of two chunks: "first" and the result of `next`.
fn body(next: impl Future<Output = Chunk> + Send + 'static) -> Body {
    let first: Chunk = Ok("first".into());
    background_runtime::stream_body(Body::from_stream(stream::iter([first]).chain(stream::once(next))))
}

#[tokio::test]
async fn a_panic_does_not_look_like_the_end_of_a_body() {
    let collected = tokio::spawn(axum::body::to_bytes(body(async { panic!("no second chunk") }), usize::MAX));
    assert!(collected.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn dropping_a_body_cancels_its_production() {
    let (polled, mut polls) = mpsc::unbounded_channel();
    let mut body = Box::pin(body(poll_fn(move |_| {
        polled.send(()).unwrap();
        Poll::Pending
    })));
    let first = poll_fn(|context| body.as_mut().poll_frame(context)).await;
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "first");
    // The runtime polls the body once after the first chunk, and again when the chunk has been received.
    for _ in 0..2 {
        assert_eq!(tokio::time::timeout(TIMEOUT, polls.recv()).await.expect("the body is polled"), Some(()));
    }
    drop(body);
    assert_eq!(tokio::time::timeout(TIMEOUT, polls.recv()).await.expect("production is cancelled"), None);
}

//! Bodies whose parts are made by other threads.

use std::{future::poll_fn, task::Poll};

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{StreamExt, stream};
use stockmeter::background_runtime;
use tokio::sync::mpsc;

use crate::harness::TIMEOUT;

type Part = Result<Bytes, axum::Error>;

/// One part, and then what comes of the next.
fn body(next: impl Future<Output = Part> + Send + 'static) -> Body {
    let first: Part = Ok("first".into());
    background_runtime::stream_body(Body::from_stream(stream::iter([first]).chain(stream::once(next))))
}

#[tokio::test]
async fn a_panic_is_no_end_of_a_body() {
    let whole = tokio::spawn(axum::body::to_bytes(body(async { panic!("no second part") }), usize::MAX));
    assert!(whole.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn what_nobody_waits_for_is_given_up() {
    let (asked, mut looks) = mpsc::unbounded_channel();
    let mut body = Box::pin(body(poll_fn(move |_| {
        asked.send(()).unwrap();
        Poll::Pending
    })));
    let first = poll_fn(|context| body.as_mut().poll_frame(context)).await;
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "first");
    // Looked for with the first, and again when that was taken.
    for _ in 0..2 {
        assert_eq!(tokio::time::timeout(TIMEOUT, looks.recv()).await.expect("a look"), Some(()));
    }
    drop(body);
    assert_eq!(tokio::time::timeout(TIMEOUT, looks.recv()).await.expect("an end"), None);
}

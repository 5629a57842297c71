//! Bodies whose parts are made by other threads.

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{StreamExt, stream};
use stockmeter::aside;
use tokio::sync::oneshot;

use crate::harness::PATIENCE;

type Part = Result<Bytes, axum::Error>;

/// One part, and then what comes of the next.
fn body(next: impl Future<Output = Part> + Send + 'static) -> Body {
    let first: Part = Ok("first".into());
    aside::body(Body::from_stream(stream::iter([first]).chain(stream::once(next))))
}

#[tokio::test]
async fn a_panic_is_no_end_of_a_body() {
    let whole = tokio::spawn(axum::body::to_bytes(body(async { panic!("no second part") }), usize::MAX));
    assert!(whole.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn what_nobody_waits_for_is_given_up() {
    let (alive, ended) = oneshot::channel::<()>();
    let mut body = Box::pin(body(async move {
        let _alive = alive;
        std::future::pending().await
    }));
    let first = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "first");
    drop(body);
    tokio::time::timeout(PATIENCE, ended).await.expect("an end").unwrap_err();
}

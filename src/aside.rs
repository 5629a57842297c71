//! Threads of their own for what may take long: so it holds up no request that does not.

use std::{panic::resume_unwind, sync::LazyLock};

use axum::body::Body;
use futures_util::{StreamExt, future::Either, stream};
use tokio::{
    runtime::{Runtime, RuntimeMetrics},
    sync::mpsc,
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::spent;

/// As many as there are cores.
static ASIDE: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "at start-up")]
    tokio::runtime::Builder::new_multi_thread()
        .thread_name("aside")
        .enable_all()
        .build()
        .expect("threads for what takes long")
});

/// To read or write so many bytes of JSON takes about a tenth of a millisecond.
const LONG: usize = 16 << 10;

/// How those threads are doing. At first, begins them.
pub fn metrics() -> RuntimeMetrics {
    ASIDE.metrics()
}

/// Does the work aside, on the account of the request under way. Its end is awaited: work that is dropped ends as well.
pub async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    done(spawn(work).await)
}

/// Does work on so many bytes: where they are many, aside.
pub fn by_size<T: Send + 'static>(
    bytes: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    if bytes < LONG { Either::Left(work) } else { Either::Right(Box::pin(run(work))) }
}

/// A body whose parts are made aside, the next one while the last one is being sent.
pub fn body(body: Body) -> Body {
    let (sender, parts) = mpsc::channel(1);
    let work = spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(part) = body.next().await {
            if sender.send(part).await.is_err() {
                return;
            }
        }
    });
    let parts = stream::unfold((parts, work), async |(mut parts, work)| {
        let Some(part) = parts.recv().await else {
            // A panic must not look like the end.
            done(work.await);
            return None;
        };
        Some((part, (parts, work)))
    });
    Body::from_stream(parts.fuse())
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(ASIDE.spawn(spent::carried(work).in_current_span()))
}

/// Panics where the work did. Nothing else ends it early while somebody waits for it.
fn done<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

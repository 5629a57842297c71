//! Threads of their own for what may take long: so it holds up no request that does not.

use std::{num::NonZero, panic::resume_unwind, sync::LazyLock, thread::available_parallelism};

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, future::Either, stream};
use tokio::{
    runtime::{Runtime, RuntimeMetrics},
    sync::mpsc,
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;

use crate::request::Origin;

/// As many as there are cores.
static ASIDE: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "at start-up")]
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(1, NonZero::get))
        .thread_name("aside")
        .enable_all()
        .build()
        .expect("threads for what takes long")
});

/// To read or write so many bytes of JSON takes about a millisecond. Below that, to hand it over and back costs more than it
/// brings.
const LONG: usize = 128 << 10;

/// As many parts of a body go from thread to thread at a time, where so many are there.
const MOST_PARTS: usize = 16;

/// How those threads are doing. At first, begins them.
pub fn metrics() -> RuntimeMetrics {
    ASIDE.metrics()
}

/// Does work aside that nobody waits for.
pub fn begin(work: impl Future<Output = ()> + Send + 'static) {
    ASIDE.spawn(work);
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

/// A body whose parts are made aside once the first is wanted: the next ones while the last ones are being sent.
pub fn body(body: Body) -> Body {
    let parts = stream::once(async { making(body) }).flatten();
    Body::from_stream(parts.fuse())
}

fn making(body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let (sender, parts) = mpsc::channel(1);
    let work = spawn(async move {
        // A compressor's parts are small: many go over at a time.
        let mut body = body.into_data_stream().ready_chunks(MOST_PARTS);
        // Nothing is made before there is room for it.
        while let Ok(room) = sender.reserve().await {
            let Some(parts) = body.next().await else {
                return;
            };
            room.send(parts);
        }
    });
    let parts = stream::unfold((parts, work), async |(mut parts, work)| {
        let Some(made) = parts.recv().await else {
            // A panic must not look like the end.
            done(work.await);
            return None;
        };
        Some((stream::iter(made), (parts, work)))
    });
    parts.flatten()
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(ASIDE.spawn(Origin::here().run(work)))
}

/// Panics where the work did. Nothing else ends it early while somebody waits for it.
fn done<T>(done: Result<T, JoinError>) -> T {
    done.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

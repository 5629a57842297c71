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

use crate::request_context::ContextSnapshot;

/// As many as there are cores.
static BACKGROUND: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "at start-up")]
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(1, NonZero::get))
        .thread_name("background")
        .enable_all()
        .build()
        .expect("threads for what takes long")
});

/// To read or write so many bytes of JSON takes about a millisecond. Below that, to hand it over and back costs more than it
/// brings.
const OFFLOAD_THRESHOLD_BYTES: usize = 128 << 10;

/// As many parts of a body go from thread to thread at a time, where so many are there.
const MAX_CHUNKS_PER_BATCH: usize = 16;

/// How those threads are doing. At first, begins them.
pub fn metrics() -> RuntimeMetrics {
    BACKGROUND.metrics()
}

/// Does work aside that nobody waits for.
pub fn spawn_detached(work: impl Future<Output = ()> + Send + 'static) {
    BACKGROUND.spawn(work);
}

/// Does the work aside, on the account of the request under way. Its end is awaited: work that is dropped ends as well.
pub async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    unwrap_joined(spawn(work).await)
}

/// Does work on so many bytes: where they are many, aside.
pub fn run_if_large<T: Send + 'static>(
    bytes: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    if bytes < OFFLOAD_THRESHOLD_BYTES { Either::Left(work) } else { Either::Right(Box::pin(run(work))) }
}

/// A body whose parts are made aside once the first is wanted: the next ones while the last ones are being sent.
pub fn stream_body(body: Body) -> Body {
    let parts = stream::once(async { produce_ahead(body) }).flatten();
    Body::from_stream(parts.fuse())
}

fn produce_ahead(body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let (sender, parts) = mpsc::channel(1);
    let work = spawn(async move {
        // A compressor's parts are small: many go over at a time.
        let mut body = body.into_data_stream().ready_chunks(MAX_CHUNKS_PER_BATCH);
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
            unwrap_joined(work.await);
            return None;
        };
        Some((stream::iter(made), (parts, work)))
    });
    parts.flatten()
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(BACKGROUND.spawn(ContextSnapshot::capture().scope(work)))
}

/// Panics where the work did. Nothing else ends it early while somebody waits for it.
fn unwrap_joined<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

//! A second Tokio runtime for long-running work, which would otherwise delay short requests.

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

/// Background runtime, with one worker thread per core.
static BACKGROUND: LazyLock<Runtime> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the server cannot run without its threads")]
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(available_parallelism().map_or(1, NonZero::get))
        .thread_name("background")
        .enable_all()
        .build()
        .expect("failed to start the background runtime")
});

/// Minimum size in bytes of JSON that is processed on the background runtime. Reading or writing 128 KiB
/// takes about a millisecond. For smaller JSON, moving the work to another runtime costs more time than it
/// saves.
const OFFLOAD_THRESHOLD_BYTES: usize = 128 << 10;

/// Maximum number of body chunks passed between threads at once. A compressor's chunks are small, so passing
/// them one by one would be slow.
const MAX_CHUNKS_PER_BATCH: usize = 16;

/// Returns the runtime's metrics. The first call starts the runtime.
pub fn metrics() -> RuntimeMetrics {
    BACKGROUND.metrics()
}

/// Spawns work on the background runtime. Its result is not awaited.
pub fn spawn_detached(work: impl Future<Output = ()> + Send + 'static) {
    BACKGROUND.spawn(work);
}

/// Runs the work on the background runtime within the current request's context, and returns its output.
/// Dropping the returned future aborts the work.
pub async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    unwrap_joined(spawn(work).await)
}

/// Runs work that processes `bytes` bytes, and returns its output. The work runs on the background runtime if
/// `bytes` is large, otherwise in the current task.
pub fn run_if_large<T: Send + 'static>(
    bytes: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> impl Future<Output = T> + Send {
    if bytes < OFFLOAD_THRESHOLD_BYTES { Either::Left(work) } else { Either::Right(Box::pin(run(work))) }
}

/// Returns a body that is produced on the background runtime, one batch of chunks ahead of the client.
/// Production starts when the first chunk is polled.
pub fn stream_body(body: Body) -> Body {
    let chunks = stream::once(async { produce_ahead(body) }).flatten();
    Body::from_stream(chunks.fuse())
}

fn produce_ahead(body: Body) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    let (sender, batches) = mpsc::channel(1);
    let work = spawn(async move {
        let mut body = body.into_data_stream().ready_chunks(MAX_CHUNKS_PER_BATCH);
        // The channel slot is reserved before the batch is produced, so that at most one batch waits for the
        // client.
        while let Ok(permit) = sender.reserve().await {
            let Some(batch) = body.next().await else {
                return;
            };
            permit.send(batch);
        }
    });
    let batches = stream::unfold((batches, work), async |(mut batches, work)| {
        let Some(batch) = batches.recv().await else {
            // A panic in the task must not look like the end of the body.
            unwrap_joined(work.await);
            return None;
        };
        Some((stream::iter(batch), (batches, work)))
    });
    batches.flatten()
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(BACKGROUND.spawn(ContextSnapshot::capture().scope(work)))
}

/// Returns the task's output, or resumes its panic. A task is never cancelled while it is awaited, because
/// only dropping its handle aborts it.
fn unwrap_joined<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

//! Tells connections that make progress from idle ones.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

/// Maximum size in bytes of a chunk that an HTTP/2 stream gets at once. h2 keeps chunks for which the client has no
/// window, so larger ones would be memory that a client can take without reading.
const MAX_CHUNK: usize = 16 << 10;

/// Progress of the requests and responses of one connection. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Number of requests that are being processed.
    active: AtomicUsize,
    /// Whether a part of a response was passed on since the last look.
    has_moved: AtomicBool,
}

impl Progress {
    /// Returns `response` as a future that counts as an active request. Counting starts with this call,
    /// because hyper reads from the connection again before it first polls the response.
    pub fn track<T>(self, response: impl Future<Output = T>) -> impl Future<Output = T> {
        let guard = ActiveGuard::new(self);
        async move {
            let _guard = guard;
            response.await
        }
    }

    /// Returns whether a request is being processed.
    pub fn is_active(&self) -> bool {
        self.0.active.load(Ordering::Relaxed) > 0
    }

    /// Returns whether a request is being processed, or a response has moved since the last call.
    pub fn take(&self) -> bool {
        self.0.has_moved.swap(false, Ordering::Relaxed) || self.is_active()
    }
}

struct ActiveGuard(Progress);

impl ActiveGuard {
    fn new(progress: Progress) -> Self {
        progress.0.active.fetch_add(1, Ordering::Relaxed);
        Self(progress)
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Response body of an HTTP/2 stream. It is polled only while the client's window has space, so each of its chunks
/// is progress.
pub struct TrackedBody {
    body: Body,
    /// Rest of a chunk that was larger than [`MAX_CHUNK`].
    rest: Bytes,
    progress: Progress,
}

impl TrackedBody {
    /// Reports the chunks of `body` to `progress`.
    pub fn new(body: Body, progress: Progress) -> Self {
        Self { body, rest: Bytes::new(), progress }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            match frame.into_data() {
                Ok(data) => this.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        this.progress.0.has_moved.store(true, Ordering::Relaxed);
        let size = this.rest.len().min(MAX_CHUNK);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

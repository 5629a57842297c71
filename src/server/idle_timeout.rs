//! Closes connections of clients that are silent, stop reading, or send HTTP/1 headers too slowly.
//! Connections whose requests are still being processed stay open.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Number of requests of a connection that are being processed.
#[derive(Clone, Debug, Default)]
pub struct ActiveRequests(Arc<AtomicUsize>);

impl ActiveRequests {
    /// Returns `response` as a future that counts as an active request. Counting starts with this call,
    /// because hyper reads from the connection again before it first polls the response.
    pub fn track<T>(self, response: impl Future<Output = T>) -> impl Future<Output = T> {
        let guard = ActiveGuard::new(self);
        async move {
            let _guard = guard;
            response.await
        }
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

struct ActiveGuard(ActiveRequests);

impl ActiveGuard {
    fn new(active: ActiveRequests) -> Self {
        active.0.fetch_add(1, Ordering::Relaxed);
        Self(active)
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Stream that fails with `TimedOut` if it is idle for longer than a limit.
pub struct IdleTimeout<S> {
    stream: S,
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    last_activity: Instant,
    active: ActiveRequests,
    /// Whether received bytes count as activity while no request is active.
    reads_count: bool,
}

impl<S> IdleTimeout<S> {
    /// Creates a timeout that ignores bytes received while no request is active. In HTTP/1, these bytes are
    /// request headers, which must be complete within the limit. WebSocket messages do not count either,
    /// because the server's pings keep those connections open.
    pub fn http1(stream: S, limit: Duration, active: ActiveRequests) -> Self {
        Self::new(stream, limit, active, false)
    }

    /// Creates a timeout that counts all received bytes as activity.
    pub fn http2(stream: S, limit: Duration, active: ActiveRequests) -> Self {
        Self::new(stream, limit, active, true)
    }

    fn new(stream: S, limit: Duration, active: ActiveRequests, reads_count: bool) -> Self {
        let timer = Box::pin(sleep(limit));
        Self { stream, timer, limit, last_activity: Instant::now(), active, reads_count }
    }

    /// Returns `poll`, or the error `TimedOut` if `poll` is pending and the stream has been idle for too
    /// long. If `poll` is ready and `is_activity` is set, it is recorded as activity.
    fn check_idle<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
        is_activity: bool,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if is_activity {
                // The timer is reset only when it expires, because resetting it here would slow down every
                // read and write.
                self.last_activity = Instant::now();
            }
            return poll;
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if self.active.any() {
                self.last_activity = Instant::now();
            }
            let deadline = self.last_activity + self.limit;
            if Instant::now() >= deadline {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(context, buffer);
        let is_activity = self.reads_count || self.active.any();
        self.check_idle(context, poll, is_activity)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check_idle(context, poll, true)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.check_idle(context, poll, true)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! Closes connections of clients that are silent, stop reading, or send HTTP/1 headers too slowly.
//! Connections whose requests are still being processed stay open.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::progress::Progress;

/// Stream that fails with `TimedOut` if it is idle for longer than a limit.
pub struct IdleTimeout<S> {
    stream: S,
    timer: Pin<Box<Sleep>>,
    limit: Duration,
    last_activity: Instant,
    progress: Progress,
    /// Whether sent bytes count as activity, and received ones while a request is active.
    counts_bytes: bool,
}

impl<S> IdleTimeout<S> {
    /// Creates a timeout for HTTP/1. Bytes received while no request is active do not count: they are request
    /// headers, which must be complete within the limit. WebSocket messages do not count either, because the
    /// server's pings keep those connections open.
    pub fn http1(stream: S, limit: Duration, progress: Progress) -> Self {
        Self::new(stream, limit, progress, true)
    }

    /// Creates a timeout for HTTP/2. Bytes do not count, because a client could send pings for ever, to which the
    /// server responds. Only requests and parts of responses are activity.
    pub fn http2(stream: S, limit: Duration, progress: Progress) -> Self {
        Self::new(stream, limit, progress, false)
    }

    fn new(stream: S, limit: Duration, progress: Progress, counts_bytes: bool) -> Self {
        let timer = Box::pin(sleep(limit));
        Self { stream, timer, limit, last_activity: Instant::now(), progress, counts_bytes }
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
            if self.progress.take() {
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
        let is_activity = self.counts_bytes && self.progress.is_active();
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
        let is_activity = self.counts_bytes;
        self.check_idle(context, poll, is_activity)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        let is_activity = self.counts_bytes;
        self.check_idle(context, poll, is_activity)
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

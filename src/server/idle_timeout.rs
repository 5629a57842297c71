//! Lets go of connections on which nothing moves: silent clients, in HTTP/1 those whose heads trickle in, and readers that
//! have stopped reading. A client that waits for us is none of these.

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

/// How many requests of a connection we are working on.
#[derive(Clone, Debug, Default)]
pub struct ActiveRequests(Arc<AtomicUsize>);

impl ActiveRequests {
    /// Waits for an answer, as a part of the work, which begins now: hyper reads once more before it polls an answer.
    pub fn on<T>(self, answer: impl Future<Output = T>) -> impl Future<Output = T> {
        let part = ActiveGuard::of(self);
        async move {
            let _part = part;
            answer.await
        }
    }

    fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

struct ActiveGuard(ActiveRequests);

impl ActiveGuard {
    fn of(work: ActiveRequests) -> Self {
        work.0.fetch_add(1, Ordering::Relaxed);
        Self(work)
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that fails when no byte has moved for a while, in either direction.
pub struct IdleTimeout<S> {
    stream: S,
    clock: Pin<Box<Sleep>>,
    limit: Duration,
    moved: Instant,
    work: ActiveRequests,
    /// Whether bytes that arrive while we work on no request are a movement.
    reads_move: bool,
}

impl<S> IdleTimeout<S> {
    /// In HTTP/1, what arrives between two requests is the head of the next one, which has to be there in time. What a
    /// WebSocket brings is no movement either: it lives as long as we ping it.
    pub fn of_http1(stream: S, limit: Duration, work: ActiveRequests) -> Self {
        Self::new(stream, limit, work, false)
    }

    pub fn of_http2(stream: S, limit: Duration, work: ActiveRequests) -> Self {
        Self::new(stream, limit, work, true)
    }

    fn new(stream: S, limit: Duration, work: ActiveRequests, reads_move: bool) -> Self {
        Self { stream, clock: Box::pin(sleep(limit)), limit, moved: Instant::now(), work, reads_move }
    }

    /// Notes a movement, if it is one, or fails when the last one is too long ago.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
        is_movement: bool,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if is_movement {
                // The clock is set only when it rings: this is on the way of every byte.
                self.moved = Instant::now();
            }
            return poll;
        }
        while self.clock.as_mut().poll(context).is_ready() {
            if self.work.is_under_way() {
                self.moved = Instant::now();
            }
            let end = self.moved + self.limit;
            if Instant::now() >= end {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.clock.as_mut().reset(end);
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
        let is_movement = self.reads_move || self.work.is_under_way();
        self.watch(context, poll, is_movement)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, poll, true)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch(context, poll, true)
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

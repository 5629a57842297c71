//! Counts the bodies of responses until they are sent. A client that does not read could otherwise fill the memory.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::{IntoResponse, Response},
};
use http_body::{Frame, SizeHint};

use super::{
    limits::budget::{Budget, Reservation},
    problem::Problem,
};

/// Minimum size in bytes of a body that counts. A smaller one needs no more memory than its connection or stream.
const MIN_COUNTED_BYTES: u64 = 1024;

/// Mark of a response to a request that changed nothing.
#[derive(Clone, Copy)]
struct ChangedNothing;

/// Marks the response to a request that changed nothing, although its method could. Small responses need no mark.
pub fn mark_unchanged(mut response: Response) -> Response {
    if size(&response) >= MIN_COUNTED_BYTES {
        response.extensions_mut().insert(ChangedNothing);
    }
    response
}

/// Returns the size of a body in memory, or 0 for a stream.
fn size(response: &Response) -> u64 {
    response.body().size_hint().exact().unwrap_or(0)
}

/// Makes a response hold the bytes of its body until they are sent. Returns a 503 response if the budget has too few bytes
/// left. A response that reports a change is never replaced, but counts. Streams have limits of their own.
pub fn hold(budget: &Budget, is_safe: bool, mut response: Response) -> Response {
    let changed_nothing = response.extensions_mut().remove::<ChangedNothing>().is_some();
    let size = size(&response);
    let reservation = if is_safe || changed_nothing {
        reserve(budget, size)
    } else {
        Ok(counted(budget, size).map(|mut reservation| {
            reservation.exceed(size);
            reservation
        }))
    };
    match reservation {
        Ok(None) => response,
        Ok(reservation) => response.map(|body| Body::new(HeldBody { body, reservation })),
        Err(problem) => problem.into_response(),
    }
}

/// Reserves the bytes of a response. Returns `None` for a small one.
///
/// # Errors
/// Returns a 503 problem if the budget, or the caller's share of it, has too few bytes left.
pub fn reserve(budget: &Budget, size: u64) -> Result<Option<Reservation>, Problem> {
    let Some(mut reservation) = counted(budget, size) else {
        return Ok(None);
    };
    // A response that is larger than the share takes all of it. It could never be sent otherwise.
    reservation.grow(size.min(budget.share()))?;
    Ok(Some(reservation))
}

/// Returns an empty reservation for a response, or `None` if it is too small to count.
fn counted(budget: &Budget, size: u64) -> Option<Reservation> {
    (size >= MIN_COUNTED_BYTES).then(|| budget.reservation())
}

/// Body in one part, which holds the reservation until it is sent.
struct HeldBody {
    body: Body,
    reservation: Option<Reservation>,
}

/// Bytes that hold a reservation as long as a part of them is in use.
struct HeldBytes {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let hold = |bytes| match self.reservation.take() {
            Some(reservation) => Bytes::from_owner(HeldBytes { bytes, _reservation: reservation }),
            None => bytes,
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(hold))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

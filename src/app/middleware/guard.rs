//! The layer around the rooms: who needs a place in them and gets none learns so at once, and whatever goes wrong in them
//! becomes a problem.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::ready};

use super::{async_layer::Middleware, concurrency_limit::ConcurrencyLimits};
use crate::{
    catalog::Error,
    formats::Format,
    http::{media_type::media_type, problem::Problem, request_body::BodyLimits},
    panics,
};

/// What bounds a request in the rooms.
#[derive(Clone)]
pub struct Guard {
    /// Within these limits bodies are taken and answers given.
    pub body: BodyLimits,
    /// None for rooms that take any number.
    pub places: Option<ConcurrencyLimits>,
}

impl Middleware for Guard {
    fn call<F>(
        &self,
        request: Request,
        inner: impl FnOnce(Request) -> F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { body, places } = self;
        let is_file_upload = is_file_upload(&request);
        let place = match places.as_ref().map(|places| places.take(is_file_upload)).transpose() {
            Ok(place) => place,
            Err(problem) => return ready(Ok(problem.into_response())).left_future(),
        };
        // The body's time and the same again for the answer.
        let limit = if is_file_upload { body.import_time } else { body.time * 2 };
        let run = AssertUnwindSafe(tokio::time::timeout(limit, inner(request))).catch_unwind();
        // No async block: it would have room for what it was given, and again for what it awaits.
        run.map(move |done| {
            let _place = place;
            Ok(match done {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_)) => Problem::timeout().into_response(),
                Err(panic) => panicked(&*panic),
            })
        })
        .right_future()
    }
}

/// Whether its body is a file to be imported.
fn is_file_upload(request: &Request) -> bool {
    let format = media_type(request.headers()).and_then(Format::from_media_type);
    matches!(format, Some(Format::Csv | Format::Ndjson))
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    tracing::error!(panic = panics::panic_message(panic), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}

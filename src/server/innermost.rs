//! The layer around the rooms: who needs a place in them and gets none learns so at once, and whatever goes wrong in them
//! becomes a problem.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::ready};

use super::{around::Around, places::Places};
use crate::{
    body::{BodyLimits, media_type},
    catalog::Error,
    formats::Format,
    panics,
    problem::Problem,
};

/// What bounds a request in the rooms.
#[derive(Clone)]
pub struct Innermost {
    /// Within these limits bodies are taken and answers given.
    pub body: BodyLimits,
    /// None for rooms that take any number.
    pub places: Option<Places>,
}

impl Around for Innermost {
    fn answer<F>(
        &self,
        request: Request,
        inner: impl FnOnce(Request) -> F,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { body, places } = self;
        let brings_file = brings_file(&request);
        let place = match places.as_ref().map(|places| places.take(brings_file)).transpose() {
            Ok(place) => place,
            Err(problem) => return ready(Ok(problem.into_response())).left_future(),
        };
        // The body's time and the same again for the answer.
        let limit = if brings_file { body.import_time } else { body.time * 2 };
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
fn brings_file(request: &Request) -> bool {
    let format = media_type(request.headers()).and_then(Format::of_media_type);
    matches!(format, Some(Format::Csv | Format::Ndjson))
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    tracing::error!(panic = panics::text(panic), "a handler panicked");
    Problem::from(Error::Internal).into_response()
}

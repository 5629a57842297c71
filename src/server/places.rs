//! How many requests may be under way at a time.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::future::ready;
use tokio::sync::Semaphore;

use super::around::{Answer, Around, AroundLayer};
use crate::{body::media_type, formats::Format, problem::Problem};

/// Places for requests.
#[derive(Clone)]
pub struct Places {
    /// For all but files.
    pub requests: Arc<Semaphore>,
    /// For files to be imported, which may take long to arrive: they leave the places of the others alone.
    files: Arc<Semaphore>,
}

impl Places {
    /// So many for requests, and a quarter as many for files.
    pub fn new(requests: u32) -> Self {
        let places =
            |count: u32| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)));
        Self { requests: places(requests), files: places((requests / 4).max(1)) }
    }
}

/// Lets only so many requests at a time into these rooms; the others learn at once that they can't get in.
pub fn limit(rooms: Router, places: Places) -> Router {
    rooms.layer(AroundLayer(places))
}

impl Around for Places {
    fn answer<F>(&self, request: Request, inner: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let places = if brings_file(&request) { &self.files } else { &self.requests };
        let Ok(place) = places.clone().try_acquire_owned() else {
            return Box::pin(ready(Ok(Problem::overloaded().into_response())));
        };
        let answer = inner(request);
        Box::pin(async move {
            let _place = place;
            answer.await
        })
    }
}

/// Whether its body is a file to be imported.
pub(super) fn brings_file(request: &Request) -> bool {
    let format = media_type(request.headers()).and_then(Format::of_media_type);
    matches!(format, Some(Format::Csv | Format::Ndjson))
}

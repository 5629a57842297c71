//! Types that describe parameters, bodies and error responses in the OpenAPI document.
//!
//! The handlers do not use these types. They parse and write JSON directly, for speed and exact numbers.

mod changes;
mod fields;
mod parameters;
mod problems;
mod schemas;

use utoipa::OpenApi;

pub use self::{
    changes::ChangeEvent,
    parameters::{
        ChangesParams, FilterParams, IdFilterExampleParam, IdFilterParam, IdParam, IdempotencyKeyHeader,
        IfMatchHeader, IfNoneMatchAnyHeader, IfNoneMatchHeader, LastEventIdHeader, ListParams, PreferHeader,
        ReadAfterHeader,
    },
    problems::{
        BodyTooLarge, BodyTooSlow, Conflict, Internal, Invalid, KeyInUse, Malformed, NotFound, StockConflict,
        Unavailable, UnsupportedMediaType, VersionMismatch, VersionRequired,
    },
    schemas::{Deleted, OneOrMany, Product, ProductInput, ProductPatch, StockAdjustmentDraft, Stored},
};

/// The schema of problems, to which all parts of the document refer. The handlers name all other schemas.
#[derive(OpenApi)]
#[openapi(components(schemas(problems::Problem)))]
pub struct Document;

//! Types that describe parameters, bodies and error responses in the OpenAPI document.
//!
//! The handlers do not use these types. They parse and write JSON directly, for speed and exact numbers.

mod parameters;
mod problems;
mod schemas;

use utoipa::OpenApi;

pub use self::{
    parameters::{
        ChangesParams, FilterParams, IdParam, IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchAnyHeader,
        IfNoneMatchHeader, LastEventIdHeader, PageParams, PreferHeader,
    },
    problems::{
        BodyTooLarge, BodyTooSlow, Conflict, Internal, Invalid, KeyInUse, Malformed, NotFound, StockConflict,
        Unavailable, UnsupportedMediaType, VersionMismatch, VersionRequired,
    },
    schemas::{
        Deleted, FieldError, NewProduct, OneOrMany, Problem, Product, ProductPatch, Replacement,
        ReplacementWithId, StockAdjustmentDraft, Stored,
    },
};

/// The schemas and tags of the REST routes. Their paths come from the handlers.
#[derive(OpenApi)]
#[openapi(
    components(schemas(
        Product,
        NewProduct,
        Replacement,
        ReplacementWithId,
        ProductPatch,
        StockAdjustmentDraft,
        Problem,
        FieldError
    )),
    tags((name = "products", description = "The products of the inventory"))
)]
pub struct Document;

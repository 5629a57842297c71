//! Problems, and the error responses of the REST routes, each with an example.

#![expect(dead_code, reason = "only the descriptions are used")]

use std::borrow::Cow;

use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

use crate::http::problem_code::ProblemCode;

/// An error response (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    /// Problem type, a URN
    #[schema(rename = "type", example = "urn:stockmeter:problem:invalid")]
    kind: String,
    /// Short title of the problem type
    title: String,
    /// HTTP status of the response
    status: u16,
    /// Explanation of this occurrence
    detail: String,
    code: ProblemCode,
    /// Invalid fields
    #[schema(nullable = false)]
    errors: Option<Vec<FieldError>>,
    /// Request id, as in `X-Request-Id`
    request_id: String,
}

/// An invalid field.
#[derive(ToSchema)]
pub struct FieldError {
    /// JSON Pointer to the field in the body (RFC 6901)
    #[schema(example = "/0/price")]
    pointer: String,
    /// Line number in an uploaded file
    #[schema(nullable = false)]
    line: Option<u64>,
    /// Description of the error
    detail: String,
}

impl PartialSchema for ProblemCode {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.as_str());
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
        schema.description(Some("Stable error code for programs")).into()
    }
}

impl ToSchema for ProblemCode {
    fn name() -> Cow<'static, str> {
        "ProblemCode".into()
    }
}

/// Declares a type for each error response, with an example of its body. A doc comment lists the codes of a
/// response that has several.
macro_rules! problem_responses {
    ($(
        $(#[$doc:meta])*
        $name:ident(
            $status:literal, $description:literal,
            $urn:literal, $code:literal, $title:literal, $detail:literal
        );
    )*) => {
        $(
            $(#[$doc])*
            #[derive(IntoResponses)]
            #[response(
                status = $status,
                description = $description,
                content_type = "application/problem+json",
                example = json!({
                    "type": concat!("urn:stockmeter:problem:", $urn), "title": $title, "status": $status,
                    "detail": $detail, "code": $code, "request_id": "01b2f9a8-4f0e-4c5b-9c7a-3a1f6f0f2d11",
                })
            )]
            pub struct $name(Problem);
        )*
    };
}

problem_responses! {
    Malformed(
        400, "The request is malformed",
        "malformed", "MALFORMED", "Malformed request",
        "the body is not valid JSON: expected value at line 1 column 1"
    );
    NotFound(404, "The product does not exist", "not-found", "NOT_FOUND", "Not found", "product 7 not found");
    BodyTooSlow(
        408, "The body did not arrive in time",
        "body-too-slow", "BODY_TOO_SLOW", "Body too slow", "the body did not arrive in time"
    );
    /// Codes: `DUPLICATE_ID`, `IDS_EXHAUSTED`, `IDEMPOTENCY_KEY_IN_USE`.
    Conflict(
        409, "An id is in use, no more ids can be generated, or a request with this key is in progress",
        "duplicate-id", "DUPLICATE_ID", "Id already in use", "id 7 is taken"
    );
    /// Codes: `INSUFFICIENT_STOCK`, `TOO_MUCH_STOCK`, `IDEMPOTENCY_KEY_IN_USE`.
    StockConflict(
        409, "The amount would be out of range, or a request with this key is in progress",
        "insufficient-stock", "INSUFFICIENT_STOCK", "Insufficient stock", "insufficient stock: 2 available"
    );
    KeyInUse(
        409, "A request with this idempotency key is in progress",
        "idempotency-key-in-use", "IDEMPOTENCY_KEY_IN_USE", "Idempotency key in use",
        "a request with this idempotency key is in progress: retry later"
    );
    VersionMismatch(
        412, "The product has another version",
        "version-mismatch", "VERSION_MISMATCH", "Version mismatch",
        "the product has changed: its current version is 1c0f3b5e7a9d2468"
    );
    BodyTooLarge(
        413, "The body is too large",
        "body-too-large", "BODY_TOO_LARGE", "Body too large",
        "the body is larger than 10485760 bytes: split it into several requests"
    );
    UnsupportedMediaType(
        415, "The body has an unsupported media type",
        "unsupported-media-type", "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type",
        "unsupported media type: send Content-Type application/json"
    );
    /// Codes: `INVALID`, `IDEMPOTENCY_KEY_REUSED`.
    Invalid(
        422, "Validation failed; see `errors`",
        "invalid", "INVALID", "Invalid values", "name must not be empty"
    );
    VersionRequired(
        428, "`If-Match` is required",
        "version-required", "VERSION_REQUIRED", "Version required",
        "a version is required: send If-Match (REST) or expectedVersion (GraphQL)"
    );
    Internal(
        500, "Internal server error",
        "internal", "INTERNAL", "Internal error", "internal error: details are in the server log"
    );
    /// Codes: `UNAVAILABLE`, `OVERLOADED`, `TIMEOUT`.
    Unavailable(
        503, "The server or its database is overloaded or unavailable; retry after the seconds in `Retry-After`",
        "unavailable", "UNAVAILABLE", "Database unavailable", "the database is unavailable: retry later"
    );
}

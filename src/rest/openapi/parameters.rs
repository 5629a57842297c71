//! Parameters of the REST routes.
//!
//! Examples of optional parameters are in their descriptions, because Swagger UI would send others. The pattern of a filter
//! ends after the operator: numbers have too many notations, and names may have any characters.

#![expect(dead_code, reason = "only the descriptions are used")]

use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdParam {
    /// Id of the product
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1)]
    product_id: i64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Maximum number of products on the page, such as `100`; without it, the response holds all products
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Cursor from a `Link`; the list starts after it
    after: Option<String>,
    /// Cursor from a `Link`; the page ends before it. Requires `limit`
    before: Option<String>,
    /// Sort order, such as `price,-name`: a list of `id`, `name`, `price` and `amount`; the prefix `-` means
    /// descending. Requires `limit`, except for `id`
    #[param(pattern = "^-?(id|name|price|amount)(,-?(id|name|price|amount))*$")]
    sort: Option<String>,
    /// `exact` returns the number of matching products in `X-Total-Count`
    #[param(inline)]
    count: Option<Count>,
    /// Format of the response, instead of `Accept`; browsers save it as a file
    #[param(inline)]
    format: Option<Format>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Count {
    Exact,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Format {
    Csv,
    Ndjson,
    Json,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IdFilterParam {
    /// Filter by id with `eq`, `gt`, `gte`, `lt`, `lte` or `in`, such as `in.1,2`
    #[param(pattern = r"^(eq|gt|gte|lt|lte|in)\.")]
    id: Option<String>,
}

/// The parameter of [`IdFilterParam`] with an example, for an operation that requires a filter.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IdFilterExampleParam {
    /// Filter by id with `eq`, `gt`, `gte`, `lt`, `lte` or `in`, such as `in.1,2`
    #[param(pattern = r"^(eq|gt|gte|lt|lte|in)\.", example = "eq.1")]
    id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParams {
    /// Filter by name with `eq`, `contains` or `prefix`, such as `contains.lap`; the case of ASCII letters is ignored
    #[param(pattern = r"^(eq|contains|prefix)\.")]
    name: Option<String>,
    /// Filter by price, with the same operators as `id`, such as `gte.19.99`
    #[param(pattern = r"^(eq|gt|gte|lt|lte|in)\.")]
    price: Option<String>,
    /// Filter by amount, with the same operators as `id`, such as `eq.0`
    #[param(pattern = r"^(eq|gt|gte|lt|lte|in)\.")]
    amount: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesParams {
    /// Products to follow with `eq` or `in`, such as `in.1,2`; by default all
    #[param(pattern = r"^(eq|in)\.")]
    id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct LastEventIdHeader {
    /// `id` of the last event received; the stream continues after it. After an unknown id, it starts with `resync`
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatchHeader {
    /// Succeed only if the product has one of these versions
    #[param(rename = "If-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#)]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchHeader {
    /// Return the product only if it has none of these versions
    #[param(rename = "If-None-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#)]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchAnyHeader {
    /// `*` creates the product and fails if it exists
    #[param(rename = "If-None-Match", pattern = r"^\*$")]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKeyHeader {
    /// Unique key for this request. A request with the same key and content returns the first response again
    #[param(rename = "Idempotency-Key", pattern = r#"^("[!#-~]{1,255}"|[!#-~]{1,255})$"#)]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ReadAfterHeader {
    /// `X-Read-After` of a response to a write; the result includes that write, even if a replica is asked
    #[param(rename = "X-Read-After", pattern = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$")]
    read_after: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct PreferHeader {
    /// `resolution=merge-duplicates` replaces products whose ids exist (RFC 7240)
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}

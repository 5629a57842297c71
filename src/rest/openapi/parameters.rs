//! Parameters of the REST routes.
//!
//! The patterns allow fewer digits than the largest valid numbers have. A regular expression with as many
//! digits would also allow numbers above the maximum.

#![expect(dead_code, reason = "only the descriptions are used")]

use utoipa::IntoParams;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct IdParam {
    /// Id of the product
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    product_id: i64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Maximum number of products on the page; without it, the response holds all products
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// Cursor from a `Link`; the list starts after it
    after: Option<String>,
    /// Cursor from a `Link`; the page ends before it. Requires `limit`
    before: Option<String>,
    /// Sort order: a list of `id`, `name`, `price` and `amount`; the prefix `-` means descending
    #[param(example = "price,-name", pattern = "^-?(id|name|price|amount)(,-?(id|name|price|amount))*$")]
    sort: Option<String>,
    /// `exact` returns the number of matching products in `X-Total-Count`
    #[param(pattern = "^exact$")]
    count: Option<String>,
    /// Format of the response, instead of `Accept`; browsers save it as a file
    #[param(example = "csv", pattern = "^(csv|ndjson|json)$")]
    format: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParams {
    /// Filter by id with `eq`, `gt`, `gte`, `lt`, `lte` or `in`
    #[param(
        example = "in.1,2",
        pattern = r"^((eq|gt|gte|lt|lte)\.[1-9][0-9]{0,14}|in\.[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)$"
    )]
    id: Option<String>,
    /// Filter by name with `eq`, `contains` or `prefix`; the case of ASCII letters is ignored
    #[param(example = "contains.lap", pattern = r"^(eq|contains|prefix)\.[ -~]{1,100}$")]
    name: Option<String>,
    /// Filter by price, with the same operators as `id`
    #[param(
        example = "gte.10",
        pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}(\.[0-9]{1,4})?|in\.[0-9]{1,9}(\.[0-9]{1,4})?(,[0-9]{1,9}(\.[0-9]{1,4})?)*)$"
    )]
    price: Option<String>,
    /// Filter by amount, with the same operators as `id`
    #[param(example = "eq.0", pattern = r"^((eq|gt|gte|lt|lte)\.[0-9]{1,9}|in\.[0-9]{1,9}(,[0-9]{1,9})*)$")]
    amount: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesParams {
    /// Products to follow, with `eq` or `in`; by default all
    #[param(
        example = "in.1,2",
        pattern = r"^(eq\.[1-9][0-9]{0,14}|in\.[1-9][0-9]{0,14}(,[1-9][0-9]{0,14})*)$"
    )]
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
    #[param(rename = "If-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#)]
    if_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatchHeader {
    /// Return the product only if it has none of these versions
    #[param(rename = "If-None-Match", pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#)]
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
pub struct PreferHeader {
    /// `resolution=merge-duplicates` replaces products whose ids exist (RFC 7240)
    #[param(rename = "Prefer", example = "resolution=merge-duplicates")]
    prefer: Option<String>,
}

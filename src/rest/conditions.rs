//! Conditional requests (RFC 9110 section 13): entity tags in, expected versions out.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::{
    catalog::{Expected, Version},
    problem::Problem,
};

/// What `If-Match` and `If-None-Match` ask for.
pub struct Conditions {
    /// From `If-Match`.
    pub expected: Expected,
    /// From `If-None-Match`.
    pub unwanted: Expected,
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self {
            // A change needs the strong comparison: a weak tag never matches.
            expected: tags(&parts.headers, &header::IF_MATCH, false)?,
            unwanted: tags(&parts.headers, &header::IF_NONE_MATCH, true)?,
        })
    }
}

/// Reads `*` or a list of entity tags. Tags that no version of ours can have match nothing.
fn tags(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Result<Expected, Problem> {
    let malformed = || Problem::malformed(format!("{name} must be * or a list of entity tags in quotes"));
    let mut versions = Vec::new();
    let mut fields = headers.get_all(name).iter().peekable();
    if fields.peek().is_none() {
        return Ok(Expected::Unstated);
    }
    for field in fields {
        let mut rest = field.to_str().map_err(|_| malformed())?.trim();
        if rest == "*" {
            return Ok(Expected::Any);
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        while !rest.is_empty() {
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (tag, behind) =
                quoted.strip_prefix('"').and_then(|text| text.split_once('"')).ok_or_else(malformed)?;
            if weak || !is_weak {
                versions.extend(tag.parse::<Version>());
            }
            let behind = behind.trim_start();
            rest = match behind.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if behind.is_empty() => behind,
                None => return Err(malformed()),
            };
        }
    }
    Ok(Expected::OneOf(versions))
}

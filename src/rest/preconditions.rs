//! Conditional requests (RFC 9110 section 13): entity tags in, expected versions out.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::{
    catalog::{Precondition, Version},
    http::problem::Problem,
};

/// What `If-Match` and `If-None-Match` ask for.
pub struct Conditions {
    /// From `If-Match`.
    pub expected: Precondition,
    /// From `If-None-Match`.
    pub unwanted: Precondition,
}

impl Conditions {
    /// Those of a request.
    ///
    /// # Errors
    /// They are malformed.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            // A change needs the strong comparison: a weak tag never matches.
            expected: tags(headers, &header::IF_MATCH, false)?,
            unwanted: tags(headers, &header::IF_NONE_MATCH, true)?,
        })
    }

    /// Nothing: there is no version of several products.
    pub fn none(&self) -> Result<(), Problem> {
        if self.expected == Precondition::None && self.unwanted == Precondition::None {
            return Ok(());
        }
        Err(Problem::malformed("If-Match and If-None-Match are for a single product"))
    }

    /// The version that a change is meant for.
    pub fn of_change(&self) -> Result<&Precondition, Problem> {
        if self.unwanted == Precondition::None {
            return Ok(&self.expected);
        }
        Err(Problem::malformed("If-None-Match is for GET, and as * for PUT"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// Reads `*` or a list of entity tags. Tags that no version of ours can have match nothing.
fn tags(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Result<Precondition, Problem> {
    let malformed = || Problem::malformed(format!("{name} must be * or a list of entity tags in quotes"));
    let (mut versions, mut any) = (Vec::new(), false);
    let mut fields = headers.get_all(name).iter().peekable();
    if fields.peek().is_none() {
        return Ok(Precondition::None);
    }
    for field in fields {
        let mut rest = field.to_str().map_err(|_| malformed())?.trim();
        if rest == "*" {
            return Ok(Precondition::Any);
        }
        while !rest.is_empty() {
            // Empty elements of a list count for nothing (RFC 9110 section 5.6.1.2).
            if let Some(next) = rest.strip_prefix(',') {
                rest = next.trim_start();
                continue;
            }
            any = true;
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
            if !behind.is_empty() && !behind.starts_with(',') {
                return Err(malformed());
            }
            rest = behind;
        }
    }
    if any { Ok(Precondition::Versions(versions)) } else { Err(malformed()) }
}

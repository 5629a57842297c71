//! Extractor of the preconditions in `If-Match` and `If-None-Match` (RFC 9110 section 13.1).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

use crate::{
    domain::{Precondition, Version},
    http::problem::Problem,
};

/// The preconditions of one request.
pub struct Preconditions {
    pub if_match: IfMatch,
    pub if_none_match: IfNoneMatch,
}

/// `If-Match`: the product must have one of these versions. If the header is absent, the value is
/// [`Precondition::None`].
#[derive(Debug, PartialEq, Eq)]
pub struct IfMatch(Precondition);

/// `If-None-Match`: the product must have none of these versions.
#[derive(Debug, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// The header is absent.
    Absent,
    /// `*`: the product must not exist.
    Any,
    /// The product must have none of these versions.
    Versions(Vec<Version>),
}

impl IfMatch {
    /// Returns whether the request has an `If-Match` header.
    pub fn is_present(&self) -> bool {
        self.0 != Precondition::None
    }

    /// Returns whether a product at this version meets the precondition.
    pub fn matches(&self, version: Version) -> bool {
        self.0.matches(version)
    }
}

impl IfNoneMatch {
    /// Returns whether a read responds with 304, because the client already has this version.
    pub fn is_not_modified(&self, version: Version) -> bool {
        match self {
            Self::Absent => false,
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

/// Parsed value of `If-Match` or `If-None-Match`.
enum EntityTags {
    Any,
    Versions(Vec<Version>),
}

impl Preconditions {
    /// Parses `If-Match` and `If-None-Match`.
    ///
    /// # Errors
    /// Returns a 400 problem if a header is malformed.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            // `If-Match` requires a strong comparison (RFC 9110 section 13.1.1), so weak tags never match.
            if_match: IfMatch(match parse_entity_tags(headers, &header::IF_MATCH, false)? {
                None => Precondition::None,
                Some(EntityTags::Any) => Precondition::Any,
                Some(EntityTags::Versions(versions)) => Precondition::Versions(versions),
            }),
            if_none_match: match parse_entity_tags(headers, &header::IF_NONE_MATCH, true)? {
                None => IfNoneMatch::Absent,
                Some(EntityTags::Any) => IfNoneMatch::Any,
                Some(EntityTags::Versions(versions)) => IfNoneMatch::Versions(versions),
            },
        })
    }

    /// Checks that the request has no preconditions, because they apply to single products only.
    ///
    /// # Errors
    /// Returns a 400 problem if the request has a precondition.
    pub fn reject_any(&self) -> Result<(), Problem> {
        if !self.if_match.is_present() && self.if_none_match == IfNoneMatch::Absent {
            return Ok(());
        }
        Err(Problem::malformed("If-Match and If-None-Match apply to single products only"))
    }

    /// Returns the precondition in `If-Match`, for an update or a deletion.
    ///
    /// # Errors
    /// Returns a 400 problem if the request has `If-None-Match`.
    pub fn for_update(&self) -> Result<&Precondition, Problem> {
        if self.if_none_match == IfNoneMatch::Absent {
            return Ok(&self.if_match.0);
        }
        Err(Problem::malformed("If-None-Match is not supported for this request"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Preconditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::from_headers(&parts.headers)
    }
}

/// Parses `*` or a list of entity tags. Returns `None` if the header is absent.
///
/// Tags that are not valid versions are ignored. Weak tags are ignored too, unless `allow_weak` is true.
fn parse_entity_tags(
    headers: &HeaderMap,
    name: &HeaderName,
    allow_weak: bool,
) -> Result<Option<EntityTags>, Problem> {
    let malformed = || Problem::malformed(format!("{name} must be * or a list of quoted entity tags"));
    let (mut versions, mut has_tags) = (Vec::new(), false);
    let mut fields = headers.get_all(name).iter().peekable();
    if fields.peek().is_none() {
        return Ok(None);
    }
    for field in fields {
        let mut rest = field.to_str().map_err(|_| malformed())?.trim();
        if rest == "*" {
            return Ok(Some(EntityTags::Any));
        }
        while !rest.is_empty() {
            // Empty list elements are ignored (RFC 9110 section 5.6.1.2).
            if let Some(next) = rest.strip_prefix(',') {
                rest = next.trim_start();
                continue;
            }
            has_tags = true;
            let (is_weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (tag, after) =
                quoted.strip_prefix('"').and_then(|text| text.split_once('"')).ok_or_else(malformed)?;
            if allow_weak || !is_weak {
                versions.extend(tag.parse::<Version>());
            }
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return Err(malformed());
            }
            rest = after;
        }
    }
    if has_tags { Ok(Some(EntityTags::Versions(versions))) } else { Err(malformed()) }
}

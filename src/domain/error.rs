//! Errors in domain terms. Every `Display` text may be sent to clients, so none contains SQL.

use std::borrow::Cow;

use entity::{Amount, ProductId, Version};

use super::{
    Scope,
    field_error::{FieldError, FieldErrors, Location},
};

/// Maximum number of field errors in one response.
pub(crate) const MAX_FIELD_ERRORS: usize = 100;

/// Reason why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Invalid fields.
    #[error("{}", FieldErrors(.0))]
    Invalid(Vec<FieldError>),
    /// The caller has no credentials, and the operation needs some.
    #[error("authentication required: send `Authorization: Bearer TOKEN`")]
    Unauthorized,
    /// The caller's credentials lack a scope.
    #[error("permission denied: the token needs the scope {}", .0.name())]
    Forbidden(Scope),
    /// The product does not exist. Holds the requested id.
    #[error("product {0} not found")]
    NotFound(String),
    /// Some of the requested products do not exist.
    #[error("{}", FieldErrors(.0))]
    MissingProducts(Vec<FieldError>),
    /// Ids that are already in use or occur twice in the request.
    #[error("{}", FieldErrors(.0))]
    Duplicate(Vec<FieldError>),
    /// No more ids can be generated, because a client used an id near the end of the generated range.
    #[error("no more ids can be generated: send an id of 4503599627370496 or more")]
    IdsExhausted,
    /// The precondition failed. Holds the product's current version.
    #[error("the product has changed: its current version is {0}")]
    VersionMismatch(Version),
    /// The server is configured to require a version for every change.
    #[error("a version is required: send If-Match (REST) or expectedVersion (GraphQL)")]
    VersionRequired,
    /// The stock is too small. Holds the current amount.
    #[error("insufficient stock: {} available", .0.get())]
    InsufficientStock(Amount),
    /// The stock would exceed the maximum amount. Holds the current amount.
    #[error("stock limit exceeded: {} in stock, maximum {}", .0.get(), Amount::MAX)]
    TooMuchStock(Amount),
    /// The idempotency key belongs to a different request.
    #[error("the idempotency key was used for a different request: send a new key with each request")]
    KeyReused,
    /// The first request with the idempotency key has not finished.
    #[error("a request with this idempotency key is in progress: retry later")]
    KeyInUse,
    /// Too many bytes are stored for idempotency keys.
    #[error(
        "too many responses are stored for idempotency keys: retry later, or send the request without a key"
    )]
    TooManyStoredResponses,
    /// The maximum number of subscriptions is open.
    #[error("too many subscriptions: retry later")]
    TooManySubscriptions,
    /// The buffer dropped changes that the subscriber had not received yet.
    #[error("the subscriber is too slow: resubscribe after the last change received")]
    TooSlow,
    /// The database is unreachable, overloaded or failing.
    #[error("the database is unavailable: retry later")]
    Unavailable,
    /// A defect of the server.
    #[error("internal error: details are in the server log")]
    Internal,
}

/// Kind of an [`Error`], shared by REST and GraphQL. Each kind has the name of its [`Error`] variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    Invalid,
    Unauthorized,
    Forbidden,
    /// Includes [`Error::MissingProducts`].
    NotFound,
    Duplicate,
    IdsExhausted,
    VersionMismatch,
    VersionRequired,
    InsufficientStock,
    TooMuchStock,
    KeyReused,
    KeyInUse,
    TooManyStoredResponses,
    TooManySubscriptions,
    TooSlow,
    Unavailable,
    Internal,
}

impl Error {
    /// Creates the error for one invalid argument.
    pub(crate) fn invalid(field: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![FieldError { location: Location::Root, field, detail: detail.into() }])
    }

    /// Creates the error for a product that is not a JSON object.
    pub fn not_an_object() -> Self {
        Self::invalid("", "must be an object")
    }

    /// Creates the error for an id without a product.
    pub(crate) fn not_found(id: ProductId) -> Self {
        Self::NotFound(id.to_string())
    }

    /// Returns the kind of this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::Unauthorized => ErrorCode::Unauthorized,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::NotFound(_) | Self::MissingProducts(_) => ErrorCode::NotFound,
            Self::Duplicate(_) => ErrorCode::Duplicate,
            Self::IdsExhausted => ErrorCode::IdsExhausted,
            Self::VersionMismatch(_) => ErrorCode::VersionMismatch,
            Self::VersionRequired => ErrorCode::VersionRequired,
            Self::InsufficientStock(_) => ErrorCode::InsufficientStock,
            Self::TooMuchStock(_) => ErrorCode::TooMuchStock,
            Self::KeyReused => ErrorCode::KeyReused,
            Self::KeyInUse => ErrorCode::KeyInUse,
            Self::TooManyStoredResponses => ErrorCode::TooManyStoredResponses,
            Self::TooManySubscriptions => ErrorCode::TooManySubscriptions,
            Self::TooSlow => ErrorCode::TooSlow,
            Self::Unavailable => ErrorCode::Unavailable,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// Returns the field errors, which only some kinds have.
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) | Self::Duplicate(errors) | Self::MissingProducts(errors) => errors,
            _ => &[],
        }
    }
}

//! Errors of the catalog, in domain terms. Every `Display` text is safe to show to a client and contains no
//! SQL.

use std::{borrow::Cow, fmt};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};

use super::{Amount, ProductId, Version};

/// Why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Invalid fields.
    #[error("{}", FieldErrors(.0))]
    Invalid(Vec<FieldError>),
    /// The product does not exist. Holds the requested id.
    #[error("product {0} not found")]
    NotFound(String),
    /// Some of several products do not exist.
    #[error("{}", FieldErrors(.0))]
    MissingProducts(Vec<FieldError>),
    /// Ids that are taken or given twice.
    #[error("{}", FieldErrors(.0))]
    Duplicate(Vec<FieldError>),
    /// No id is left to generate. This happens only if a client has used one of the last ids of that range.
    #[error("no id is left to generate: send an id of 4503599627370496 or more")]
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
    /// The maximum number of subscriptions is open.
    #[error("too many subscriptions: retry later")]
    TooManySubscriptions,
    /// More changes were waiting for a subscriber than the server keeps.
    #[error("the subscriber is too slow: resubscribe after the last change received")]
    TooSlow,
    /// The database is unreachable, overloaded or failing.
    #[error("the database is unavailable: retry later")]
    Unavailable,
    /// A defect of the server.
    #[error("internal error: details are in the server log")]
    Internal,
}

/// Kind of an [`Error`], shared by REST and GraphQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// [`Error::Invalid`].
    Invalid,
    /// [`Error::NotFound`] and [`Error::MissingProducts`].
    NotFound,
    /// [`Error::Duplicate`].
    Duplicate,
    /// [`Error::IdsExhausted`].
    IdsExhausted,
    /// [`Error::VersionMismatch`].
    VersionMismatch,
    /// [`Error::VersionRequired`].
    VersionRequired,
    /// [`Error::InsufficientStock`].
    InsufficientStock,
    /// [`Error::TooMuchStock`].
    TooMuchStock,
    /// [`Error::KeyReused`].
    KeyReused,
    /// [`Error::KeyInUse`].
    KeyInUse,
    /// [`Error::TooManySubscriptions`].
    TooManySubscriptions,
    /// [`Error::TooSlow`].
    TooSlow,
    /// [`Error::Unavailable`].
    Unavailable,
    /// [`Error::Internal`].
    Internal,
}

impl ErrorCode {
    /// Returns the stable name that clients see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::NotFound => "NOT_FOUND",
            Self::Duplicate => "DUPLICATE_ID",
            Self::IdsExhausted => "IDS_EXHAUSTED",
            Self::VersionMismatch => "VERSION_MISMATCH",
            Self::VersionRequired => "VERSION_REQUIRED",
            Self::InsufficientStock => "INSUFFICIENT_STOCK",
            Self::TooMuchStock => "TOO_MUCH_STOCK",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::KeyInUse => "IDEMPOTENCY_KEY_IN_USE",
            Self::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Self::TooSlow => "TOO_SLOW",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl Error {
    /// Creates an error for one invalid argument.
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
            Self::NotFound(_) | Self::MissingProducts(_) => ErrorCode::NotFound,
            Self::Duplicate(_) => ErrorCode::Duplicate,
            Self::IdsExhausted => ErrorCode::IdsExhausted,
            Self::VersionMismatch(_) => ErrorCode::VersionMismatch,
            Self::VersionRequired => ErrorCode::VersionRequired,
            Self::InsufficientStock(_) => ErrorCode::InsufficientStock,
            Self::TooMuchStock(_) => ErrorCode::TooMuchStock,
            Self::KeyReused => ErrorCode::KeyReused,
            Self::KeyInUse => ErrorCode::KeyInUse,
            Self::TooManySubscriptions => ErrorCode::TooManySubscriptions,
            Self::TooSlow => ErrorCode::TooSlow,
            Self::Unavailable => ErrorCode::Unavailable,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// Returns the invalid fields, which only some kinds have.
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) | Self::Duplicate(errors) | Self::MissingProducts(errors) => errors,
            _ => &[],
        }
    }
}

impl From<DbErr> for Error {
    /// Logs the cause, and maps failures of the database to [`Error::Unavailable`] and others to
    /// [`Error::Internal`].
    fn from(error: DbErr) -> Self {
        let is_temporary = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                !is_data_error(error)
            }
            _ => false,
        };
        tracing::error!(%error, "database error");
        if is_temporary { Self::Unavailable } else { Self::Internal }
    }
}

/// Returns whether a value could not be decoded, or violated a constraint although it had been validated.
fn is_data_error(error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_) => true,
        sqlx::Error::Database(error) => {
            matches!(error.kind(), CheckViolation | ForeignKeyViolation | NotNullViolation | UniqueViolation)
        }
        _ => false,
    }
}

/// Returns whether the database itself rejected the statement.
pub(super) fn is_database_error(error: &DbErr) -> bool {
    database_error(error).is_some()
}

/// Returns the error that the database reported, or `None` if the failure has another cause.
pub(super) fn database_error(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    error.as_database_error()
}

/// Location of a product in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The whole request.
    Root,
    /// Index in an array, from 0.
    Index(usize),
    /// First line of the product in a file, from 1.
    Line(u64),
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Location of the product.
    pub location: Location,
    /// Name of the field; empty for the product as a whole.
    pub field: &'static str,
    /// Error text, which continues a sentence that begins with the field's name.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Returns the JSON Pointer to the field (RFC 6901), relative to the request or to the line of a file.
    pub fn pointer(&self) -> String {
        let index =
            if let Location::Index(index) = self.location { format!("/{index}") } else { String::new() };
        if self.field.is_empty() { index } else { format!("{index}/{}", self.field) }
    }

    /// Returns the line in a file, or `None` for other requests.
    pub fn line(&self) -> Option<u64> {
        if let Location::Line(line) = self.location { Some(line) } else { None }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.location, self.field) {
            (Location::Root, "") => write!(f, "the product {}", self.detail),
            (location, "") => write!(f, "{location} {}", self.detail),
            (Location::Root, field) => write!(f, "{field} {}", self.detail),
            (location @ Location::Index(_), field) => write!(f, "{field} of {location}: {}", self.detail),
            (location @ Location::Line(_), field) => write!(f, "{field} on {location}: {}", self.detail),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the product"),
            Self::Index(index) => write!(f, "product {index}"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// Shows the first error and the number of further ones.
struct FieldErrors<'a>(&'a [FieldError]);

impl fmt::Display for FieldErrors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(());
        };
        first.fmt(f)?;
        if rest.is_empty() { Ok(()) } else { write!(f, ", and {} more", rest.len()) }
    }
}

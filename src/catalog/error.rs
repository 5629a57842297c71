//! What can go wrong, in domain words. Nothing here shows SQL: every `Display` is safe for a client.

use std::{borrow::Cow, fmt};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};

use super::{Amount, ProductId, Version};

/// Why the catalog did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Fields that break a rule, all of them.
    #[error("{}", FieldErrors(.0))]
    Invalid(Vec<FieldError>),
    /// No such product.
    #[error("there is no product {0}")]
    NotFound(String),
    /// Products of several that are not there.
    #[error("{}", FieldErrors(.0))]
    MissingProducts(Vec<FieldError>),
    /// Ids that are taken.
    #[error("{}", FieldErrors(.0))]
    Duplicate(Vec<FieldError>),
    /// Every id that could be generated is used up, because a client used the last one.
    #[error("no id is left to generate: choose an id from 4503599627370496 on")]
    IdsExhausted,
    /// The product is at another version, this one.
    #[error("the product has changed: it is at version {0} now")]
    VersionMismatch(Version),
    /// The server wants every change to tell the version that it is meant for.
    #[error("tell which version of the product is meant")]
    VersionRequired,
    /// Less is in stock, this much.
    #[error("not enough in stock: there are {}", .0.get())]
    InsufficientStock(Amount),
    /// More than an amount can be; this much is there.
    #[error("too much for one product: there are {}, and there can be at most {}", .0.get(), Amount::MAX)]
    TooMuchStock(Amount),
    /// An idempotency key that came with another request before.
    #[error("the idempotency key was used for another request: take a new one for each")]
    KeyReused,
    /// An idempotency key whose first request is not done yet.
    #[error("a request with this idempotency key is under way: try again when it is done")]
    KeyInUse,
    /// As many subscriptions as the server takes are open.
    #[error("the server has too many subscriptions at the moment: try again")]
    TooManySubscriptions,
    /// More changes waited for a subscriber than are kept for one.
    #[error("too many changes were waiting to be taken: subscribe again, behind the last one that was taken")]
    TooSlow,
    /// The database can't be reached, is overloaded or broken.
    #[error("the database can't answer at the moment: try again")]
    Unavailable,
    /// A fault of ours.
    #[error("an internal error: it has been logged")]
    Internal,
}

/// The kinds of [`Error`]: one list for REST and GraphQL.
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
    /// The stable name that clients see.
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
    /// One bad argument.
    pub(crate) fn invalid(field: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(vec![FieldError { at: Location::Root, field, detail: detail.into() }])
    }

    /// A product that is no object.
    pub fn not_an_object() -> Self {
        Self::invalid("", "must be an object")
    }

    /// No product has this id.
    pub(crate) fn not_found(id: ProductId) -> Self {
        Self::NotFound(id.to_string())
    }

    /// Its kind.
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

    /// The bad fields.
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid(errors) | Self::Duplicate(errors) | Self::MissingProducts(errors) => errors,
            _ => &[],
        }
    }
}

impl From<DbErr> for Error {
    /// What the database reports passes, what we fail to read does not. The cause is logged here, once.
    fn from(error: DbErr) -> Self {
        let passing = match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                !is_ours(error)
            }
            _ => false,
        };
        tracing::error!(%error, "the database failed");
        if passing { Self::Unavailable } else { Self::Internal }
    }
}

/// Values that we can't read, or that the database refuses although we have checked them.
fn is_ours(error: &sqlx::Error) -> bool {
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

/// The database answered, and did not like the statement.
pub(super) fn is_refusal(error: &DbErr) -> bool {
    refusal(error).is_some()
}

/// What it then said.
pub(super) fn refusal(error: &DbErr) -> Option<&dyn DatabaseError> {
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    error.as_database_error()
}

/// Where a product is in what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// It is all that was sent.
    Root,
    /// Its place in an array, from 0.
    Index(usize),
    /// The line of a file that it begins on, from 1.
    Line(u64),
}

/// One bad field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Which product.
    pub at: Location,
    /// The field's name; empty: the product as a whole.
    pub field: &'static str,
    /// What is wrong with it.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Where the field is in what was sent, or in its line (RFC 6901).
    pub fn pointer(&self) -> String {
        let index = if let Location::Index(index) = self.at { format!("/{index}") } else { String::new() };
        if self.field.is_empty() { index } else { format!("{index}/{}", self.field) }
    }

    /// The line, where a file was sent.
    pub fn line(&self) -> Option<u64> {
        if let Location::Line(line) = self.at { Some(line) } else { None }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at, self.field) {
            (Location::Root, "") => write!(f, "the product {}", self.detail),
            (at, "") => write!(f, "{at} {}", self.detail),
            (Location::Root, field) => write!(f, "{field} {}", self.detail),
            (at @ Location::Index(_), field) => write!(f, "{field} of {at}: {}", self.detail),
            (at @ Location::Line(_), field) => write!(f, "{field} on {at}: {}", self.detail),
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

/// Faults as one sentence: the first, and how many more there are.
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

//! Errors of a store, and their conversion to errors of the domain. The details are logged, but not sent to
//! clients.

use std::error::Error as StdError;

use rusqlite::ffi;
use sea_orm::sqlx::{
    self,
    error::DatabaseError,
    postgres::{PgDatabaseError, PgSeverity},
};

use crate::domain::{Error, InvalidValue};

/// SQLSTATE of a statement that waited longer than `lock_timeout`.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATE of `nextval` at the end of a sequence.
const SEQUENCE_EXHAUSTED: &str = "2200H";

/// SQLSTATE of a write on a standby, or in a session or database that is read-only.
const READ_ONLY: &str = "25006";
/// SQLSTATE of a write to a full disk.
const DISK_FULL: &str = "53100";

/// Errors of SQLite's writes to the disk. A file system that has become read-only or has exceeded a quota is
/// one of their causes.
const SQLITE_WRITE_ERRORS: [i32; 5] = [
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_FSYNC,
    ffi::SQLITE_IOERR_DIR_FSYNC,
    ffi::SQLITE_IOERR_TRUNCATE,
    ffi::SQLITE_IOERR_SHMSIZE,
];

/// Returns whether another connection may succeed: the server or a pooler has ended this one (SQLSTATE 57P01 to
/// 57P05, class 08), or it leads to a read-only standby (25006). Whether the statement has had its effect is
/// unknown.
pub(super) fn is_connection_lost(error: &dyn DatabaseError) -> bool {
    let is_fatal = error
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic));
    let code = error.code().unwrap_or_default();
    is_fatal || code.starts_with("57P") || code.starts_with("08") || code == READ_ONLY
}

/// Returns the message and the SQLSTATE of an error. sqlx's text would add a line of PostgreSQL's source.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => format!("{} (SQLSTATE {})", error.message(), error.code().unwrap_or_default()),
        None => error.to_string(),
    }
}

type Source = Box<dyn StdError + Send + Sync>;

/// Reason why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, overloaded or failing, or it gave up waiting for a lock.
    #[error("{0}")]
    Unavailable(Source),
    /// The database may be readable, but accepts no writes: it is read-only, or its disk is full.
    #[error("{0}")]
    NotWritable(Source),
    /// The database rejected the statement because an id is taken.
    #[error("an id is taken")]
    IdTaken,
    /// Too few ids can still be generated.
    #[error("no more ids can be generated")]
    IdsExhausted,
    /// The statement waited too long for a lock.
    #[error("a lock was not free in time")]
    LockTimeout,
    /// The database rejected the statement, for example after a timeout or because of a defect of the server.
    #[error("{0}")]
    Rejected(Source),
    /// A row breaks a rule of the domain, or a value breaks a rule of the database.
    #[error("{0}")]
    InvalidData(Source),
}

impl StoreError {
    pub(super) fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Converts an error that PostgreSQL has sent.
    fn from_rejection(error: &dyn DatabaseError) -> Self {
        use sqlx::error::ErrorKind::{
            CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
        };
        let code = error.code().unwrap_or_default();
        let text = || format!("{} (SQLSTATE {code})", error.message()).into();
        match (error.kind(), code.as_ref()) {
            (UniqueViolation, _) => Self::IdTaken,
            (_, LOCK_NOT_AVAILABLE) => Self::LockTimeout,
            (_, SEQUENCE_EXHAUSTED) => Self::IdsExhausted,
            (CheckViolation | ForeignKeyViolation | NotNullViolation, _) => Self::InvalidData(text()),
            (_, READ_ONLY | DISK_FULL) => Self::NotWritable(text()),
            _ if is_connection_lost(error) => Self::Unavailable(text()),
            _ => Self::Rejected(text()),
        }
    }

    /// Returns the error for another caller whose work ended with the same transaction.
    pub(super) fn for_other_work(&self) -> Self {
        match self {
            Self::NotWritable(reason) => Self::NotWritable(reason.to_string().into()),
            other => Self::unavailable(other.to_string()),
        }
    }

    /// Returns whether the database itself rejected the statement, so that another one may succeed.
    pub fn is_rejection(&self) -> bool {
        matches!(
            self,
            Self::IdTaken | Self::IdsExhausted | Self::LockTimeout | Self::Rejected(_) | Self::InvalidData(_)
        )
    }
}

impl From<InvalidValue> for StoreError {
    fn from(error: InvalidValue) -> Self {
        Self::InvalidData(error.to_string().into())
    }
}

impl From<StoreError> for Error {
    /// Logs the error.
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "database error");
        match error {
            StoreError::Unavailable(_)
            | StoreError::NotWritable(_)
            | StoreError::LockTimeout
            | StoreError::Rejected(_) => Self::Unavailable,
            StoreError::IdsExhausted => Self::IdsExhausted,
            StoreError::IdTaken | StoreError::InvalidData(_) => Self::Internal,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(rejection) => Self::from_rejection(rejection.as_ref()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_) => Self::InvalidData(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let Some(failure) = error.sqlite_error() else {
            return Self::InvalidData(error.into());
        };
        match (failure.code, failure.extended_code) {
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Self::IdTaken,
            (ErrorCode::ConstraintViolation, _) => Self::InvalidData(error.into()),
            (ErrorCode::Unknown, _) => Self::Rejected(error.into()),
            (ErrorCode::DiskFull | ErrorCode::ReadOnly, _) => Self::NotWritable(error.into()),
            (_, code) if SQLITE_WRITE_ERRORS.contains(&code) => Self::NotWritable(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

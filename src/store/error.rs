//! Errors of a store, and their conversion to errors of the domain. The details are logged, but not sent to
//! clients.

use std::error::Error as StdError;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::domain::{Error, InvalidValue};

/// SQLSTATE of a statement that waited longer than `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

type Source = Box<dyn StdError + Send + Sync>;

/// Reason why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, overloaded or failing, or it gave up waiting for a lock.
    #[error("{0}")]
    Unavailable(Source),
    /// The database rejected the statement because an id is taken.
    #[error("an id is taken")]
    IdTaken,
    /// The statement waited too long for a lock.
    #[error("a lock was not free in time")]
    LockTimeout,
    /// The database rejected the statement, for example after a timeout or because of a defect of the server.
    #[error("{0}")]
    Rejected(Source),
    /// A row breaks a rule of the domain, or a value breaks a rule of the database.
    #[error("{0}")]
    InvalidData(Source),
    /// The operation does not exist for this database.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl StoreError {
    pub(super) fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }

    /// Returns whether the database itself rejected the statement, so that another one may succeed.
    pub fn is_rejection(&self) -> bool {
        matches!(self, Self::IdTaken | Self::LockTimeout | Self::Rejected(_) | Self::InvalidData(_))
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
            StoreError::Unavailable(_) | StoreError::LockTimeout | StoreError::Rejected(_) => {
                Self::Unavailable
            }
            StoreError::IdTaken | StoreError::InvalidData(_) | StoreError::Unsupported(_) => Self::Internal,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind::{
            CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation,
        };
        match &error {
            sqlx::Error::Database(rejection) => match rejection.kind() {
                UniqueViolation => Self::IdTaken,
                _ if rejection.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE) => Self::LockTimeout,
                CheckViolation | ForeignKeyViolation | NotNullViolation => Self::InvalidData(error.into()),
                _ => Self::Rejected(error.into()),
            },
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
        use rusqlite::{ErrorCode, ffi};
        let Some(failure) = error.sqlite_error() else {
            return Self::InvalidData(error.into());
        };
        match (failure.code, failure.extended_code) {
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => Self::IdTaken,
            (ErrorCode::ConstraintViolation, _) => Self::InvalidData(error.into()),
            (ErrorCode::Unknown, _) => Self::Rejected(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

/// SeaORM converts values of rows, and its errors then mean that a row is invalid.
impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Exec(RuntimeErr::SqlxError(_))
            | DbErr::Query(RuntimeErr::SqlxError(_))
            | DbErr::Conn(_)
            | DbErr::ConnectionAcquire(_) => Self::Unavailable(error.into()),
            _ => Self::InvalidData(error.into()),
        }
    }
}

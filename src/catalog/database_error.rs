//! Conversion of database errors to errors of the domain. The details are logged, but not sent to clients.

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};

use crate::domain::Error;

impl From<DbErr> for Error {
    /// Logs the error. Returns [`Error::Unavailable`] if the database failed. Returns [`Error::Internal`] for
    /// invalid data and all other errors.
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

/// Returns whether a value could not be converted, or violated a constraint although it had been validated.
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

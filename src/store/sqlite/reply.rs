//! Results that the writer thread sends to its callers.

use std::{panic::resume_unwind, thread, time::Instant};

use tokio::sync::oneshot;

use crate::store::{StoreError, WriteState};

/// Result of a unit of work with the time at which it began, or its panic.
pub(super) type Reply<T> = (thread::Result<Result<T, StoreError>>, Instant);

/// Waits for a reply, and resumes a panic of the work. Records a write that the database does not accept.
pub(super) async fn receive<T>(
    receiver: oneshot::Receiver<Reply<T>>,
    state: &WriteState,
) -> (Result<T, StoreError>, Instant) {
    match receiver.await {
        Ok((Ok(result), began)) => {
            state.record(&result);
            (result, began)
        }
        Ok((Err(panic), _)) => resume_unwind(panic),
        Err(_) => (Err(StoreError::unavailable("the database is closed")), Instant::now()),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::{database_file::DatabaseFile, write_transaction::WriteTransaction, writer::Writer};
    use super::*;

    #[tokio::test]
    async fn a_full_database_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE item (data blob)").unwrap();
        let writer = Writer::start(DatabaseFile::new(&path).unwrap());
        let insert = async |sql: &'static str| {
            let insert =
                move |transaction: &mut WriteTransaction<'_>| transaction.connection.execute_batch(sql);
            writer.run(insert).await.0
        };
        insert("INSERT INTO item VALUES (1)").await.unwrap();
        assert!(writer.write_state().works());
        let result = insert("PRAGMA max_page_count = 1; INSERT INTO item VALUES (zeroblob(100000))").await;
        assert!(matches!(result, Err(StoreError::NotWritable(_))), "{result:?}");
        assert!(!writer.write_state().works());
    }
}

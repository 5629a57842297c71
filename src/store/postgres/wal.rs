//! Positions in the write-ahead log.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sea_orm::sqlx::{self, Row, postgres::PgRow};

use crate::domain::WalPosition;

/// SQL of [`SELECT_POSITION`].
macro_rules! select_position {
    () => {
        "SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()
    ELSE pg_current_wal_flush_lsn() END::text"
    };
}

/// Selects a position after all committed changes. A commit is usually acknowledged after its flush. The replica reaches
/// that position at once, and a position after running transactions later.
pub(super) const SELECT_POSITION: &str = select_position!();

/// Ends a transaction and selects the same position.
pub(super) const COMMIT_AND_SELECT_POSITION: &str = concat!("COMMIT; ", select_position!());

/// Newest position that the connections of a pool have selected after their writes. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenPosition(Arc<AtomicU64>);

impl WrittenPosition {
    /// Returns the position, or `None` before the first write.
    pub fn get(&self) -> Option<WalPosition> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            bytes => Some(WalPosition::new(bytes)),
        }
    }

    /// Records the position in the first column.
    pub fn record(&self, row: &PgRow) -> Result<(), sqlx::Error> {
        self.0.fetch_max(position(row)?.bytes(), Ordering::AcqRel);
        Ok(())
    }
}

/// Returns the position in the first column.
pub(super) fn position(row: &PgRow) -> Result<WalPosition, sqlx::Error> {
    let text: String = row.try_get(0)?;
    WalPosition::parse(&text).ok_or_else(|| sqlx::Error::Decode(format!("`{text}` is not a position").into()))
}

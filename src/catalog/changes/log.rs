//! The change log: recent changes of products, in order. Triggers write it (see the migration), except for
//! most inserts into SQLite, which write it themselves (`insert/sqlite.rs`).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use entity::{product, product_change};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement, Value as SqlValue,
};

use crate::{
    catalog::Products,
    database::Kind,
    domain::{Change, ChangeKind, Error, LogPosition, Product, ProductId},
};

/// Result of reading the log after a position.
#[derive(Debug)]
pub(in crate::catalog) enum LogRead {
    /// The next changes.
    Changes {
        changes: Vec<Change>,
        /// Position of the last change that was read, or the given position if there was no change.
        last: LogPosition,
        /// Whether the log had no further changes when it was read.
        is_complete: bool,
    },
    /// The position is no longer in the log, so changes may be missing.
    Expired,
}

/// SQL statements on the change log.
struct ChangeLogQueries {
    /// Selects the change with transaction id `$1` and sequence number `$2`, and its successors. Selects at
    /// most `$3` changes. Excludes changes that a running transaction can still precede.
    from_position: &'static str,
    /// Selects the newest change that no running transaction can precede.
    newest: &'static str,
    /// Selects the oldest change that a running transaction can still precede. `None` if such changes cannot
    /// exist.
    oldest_pending: Option<&'static str>,
    /// Inserts a sentinel row into an empty log, so that the log has a position.
    insert_sentinel: &'static str,
    /// Deletes rows older than `$1` seconds, oldest first. Keeps the newest row, because a client's cursor
    /// may refer to it. Deletes at most `$2` rows, which bounds the time that other writers wait.
    prune: &'static str,
}

/// A row holds up to 1000 changes, numbered from `seq * 1024` (see the migration). The inner query limits
/// the number of rows. Without it, PostgreSQL might expand all rows to find the first changes.
const POSTGRESQL: ChangeLogQueries = ChangeLogQueries {
    from_position: "
SELECT xact, (log.seq << 10) + position - 1 AS seq, at, kind, product_id, version
FROM (
    SELECT * FROM product_change_log
    WHERE (xact, seq) >= ($1, $2 >> 10) AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY xact, seq LIMIT $3
) AS log, unnest(product_ids, versions) WITH ORDINALITY AS change (product_id, version, position)
WHERE xact > $1 OR (log.seq << 10) + position - 1 >= $2
ORDER BY xact, log.seq, position LIMIT $3",
    newest: "
SELECT xact, (log.seq << 10) + cardinality(product_ids) - 1 AS seq, at, kind,
    product_ids[cardinality(product_ids)] AS product_id, versions[cardinality(versions)] AS version
FROM product_change_log AS log WHERE xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact DESC, log.seq DESC LIMIT 1",
    oldest_pending: Some(
        "
SELECT xact, log.seq << 10 AS seq, at, kind, product_ids[1] AS product_id, versions[1] AS version
FROM product_change_log AS log WHERE xact >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact, log.seq LIMIT 1",
    ),
    insert_sentinel: "
INSERT INTO product_change_log (kind, product_ids, versions)
SELECT 0, '{NULL}', '{NULL}' WHERE NOT EXISTS (SELECT 1 FROM product_change_log)",
    prune: "
DELETE FROM product_change_log
WHERE (xact, seq) IN (SELECT xact, seq FROM product_change_log ORDER BY xact, seq LIMIT $2)
    AND at < extract(epoch FROM now())::bigint - $1
    AND (xact, seq) < (SELECT xact, seq FROM product_change_log ORDER BY xact DESC, seq DESC LIMIT 1)",
};

/// `xact` is always 0 and `seq` is the key. A row with `product_ids` holds one change for each of these ids,
/// numbered from `first_seq` to `seq`.
///
/// The changes of a row need no sorting: `json_each` keeps the order of the array, and the planner cannot
/// reorder this join. Sorting them would expand all rows to find the first changes.
const SQLITE: ChangeLogQueries = ChangeLogQueries {
    from_position: "
SELECT xact, coalesce(first_seq, log.seq) + key AS seq, at, kind, value AS product_id, version
FROM product_change AS log, json_each(coalesce(product_ids, json_array(product_id)))
WHERE log.seq >= $2 AND xact = $1 AND coalesce(first_seq, log.seq) + key >= $2
ORDER BY log.seq LIMIT $3",
    newest: "SELECT * FROM product_change ORDER BY seq DESC LIMIT 1",
    oldest_pending: None,
    insert_sentinel: "INSERT INTO product_change (kind) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM product_change)",
    prune: "
DELETE FROM product_change
WHERE seq IN (SELECT seq FROM product_change ORDER BY seq LIMIT $2)
    AND at < unixepoch() - $1 AND seq < (SELECT max(seq) FROM product_change)",
};

/// Maximum number of rows deleted by one statement.
const ROWS_PER_PRUNE: u64 = 1000;

impl Products {
    fn log_queries(&self) -> ChangeLogQueries {
        match self.0.database.kind() {
            Kind::PostgreSql => POSTGRESQL,
            Kind::Sqlite => SQLITE,
        }
    }

    /// Returns up to `limit` changes after a position.
    pub(in crate::catalog) async fn changes_after(
        &self,
        position: LogPosition,
        limit: u32,
    ) -> Result<LogRead, Error> {
        let values =
            vec![position.transaction_id.into(), position.sequence.into(), (i64::from(limit) + 1).into()];
        let rows = self.log_rows(self.log_queries().from_position, values).await?;
        let Some((first, rows)) = rows.split_first().filter(|(first, _)| position_of(first) == position)
        else {
            return Ok(LogRead::Expired);
        };
        let last = position_of(rows.last().unwrap_or(first));
        let is_complete = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(LogRead::Changes { changes: self.with_products(rows).await?, last, is_complete })
    }

    /// Returns the newest position that no running transaction can precede. Returns `None` if every row can
    /// still be preceded. Inserts a sentinel row into an empty log.
    pub(in crate::catalog) async fn newest_position(&self) -> Result<Option<LogPosition>, Error> {
        let queries = self.log_queries();
        if let Some(newest) = self.log_rows(queries.newest, vec![]).await?.first() {
            return Ok(Some(position_of(newest)));
        }
        self.0.database.writes().execute_unprepared(queries.insert_sentinel).await?;
        Ok(self.log_rows(queries.newest, vec![]).await?.first().map(position_of))
    }

    /// Returns the age of the oldest change that cannot be published yet. It waits for older PostgreSQL
    /// transactions to end. Returns zero if no change is waiting.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn change_lag(&self) -> Result<Duration, Error> {
        let Some(oldest_pending) = self.log_queries().oldest_pending else {
            return Ok(Duration::ZERO);
        };
        let oldest = self.log_rows(oldest_pending, vec![]).await?;
        let at = oldest.first().and_then(|row| u64::try_from(row.at).ok());
        let age =
            at.and_then(|at| SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(at)).ok());
        Ok(age.unwrap_or_default())
    }

    /// Deletes changes older than `max_age`. Keeps the newest row, because a client's cursor may refer to it.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn prune_change_log(&self, max_age: Duration) -> Result<(), Error> {
        let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
        loop {
            let values = vec![seconds.into(), ROWS_PER_PRUNE.into()];
            let prune = self.log_statement(self.log_queries().prune, values);
            if self.0.database.writes().execute_raw(prune).await?.rows_affected() < ROWS_PER_PRUNE {
                return Ok(());
            }
        }
    }

    async fn log_rows(&self, sql: &str, values: Vec<SqlValue>) -> Result<Vec<product_change::Model>, Error> {
        let rows = self.0.database.reads().query_all_raw(self.log_statement(sql, values)).await?;
        let rows = rows.iter().map(|row| product_change::Model::from_query_result(row, ""));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn log_statement(&self, sql: &str, values: Vec<SqlValue>) -> Statement {
        Statement::from_sql_and_values(self.0.database.reads().get_database_backend(), sql, values)
    }

    /// Converts the rows to changes with their products, which are read by one query.
    async fn with_products(&self, rows: &[product_change::Model]) -> Result<Vec<Change>, Error> {
        let changes: Vec<Change> = rows.iter().filter_map(change).collect();
        let mut ids: Vec<ProductId> = changes
            .iter()
            .filter(|change| change.kind != ChangeKind::Deleted)
            .map(|change| change.id)
            .collect();
        if ids.is_empty() {
            return Ok(changes);
        }
        ids.sort_unstable();
        ids.dedup();
        let products: HashMap<ProductId, Arc<Product>> = product::Entity::find()
            .filter(product::Column::Id.is_in(ids))
            .all(self.0.database.reads())
            .await?
            .into_iter()
            .map(|product| (product.id, Arc::new(product)))
            .collect();
        let find = |change: Change| {
            let deleted = change.kind == ChangeKind::Deleted;
            Change { product: if deleted { None } else { products.get(&change.id).cloned() }, ..change }
        };
        Ok(changes.into_iter().map(find).collect())
    }
}

fn position_of(row: &product_change::Model) -> LogPosition {
    LogPosition { transaction_id: row.transaction_id, sequence: row.sequence }
}

/// Converts a row to a change. Returns `None` for a sentinel.
fn change(row: &product_change::Model) -> Option<Change> {
    let kind = match row.kind {
        1 => ChangeKind::Created,
        2 => ChangeKind::Updated,
        3 => ChangeKind::StockAdjusted,
        4 => ChangeKind::Deleted,
        _ => return None,
    };
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(row.at).unwrap_or_default());
    Some(Change {
        position: position_of(row),
        kind,
        id: row.product_id?,
        version: row.version?,
        at: humantime::format_rfc3339_seconds(at),
        product: None,
    })
}

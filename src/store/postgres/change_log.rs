//! The change log, which triggers write (see the migration).
//!
//! A row holds up to 1000 changes. Inner queries limit the number of rows. Without them, PostgreSQL might
//! expand all rows to find the first changes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{
    Statement, Value,
    sqlx::{Row, postgres::PgRow},
};

use super::{BACKEND, connection::Connection, products};
use crate::{
    domain::{LogPosition, ProductId, Version},
    store::{LogRead, StoreError, log_read::LogEntry},
};

/// Selects the change with transaction id `$1` and sequence number `$2`, and up to `$3` − 1 of its
/// successors. Excludes changes that a running transaction can still precede.
const SELECT_FROM: &str = "
SELECT xact, (log.seq << 10) + position - 1 AS seq, at, kind, product_id, version
FROM (
    SELECT * FROM product_change_log
    WHERE (xact, seq) >= ($1, $2 >> 10) AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY xact, seq LIMIT $3
) AS log, unnest(product_ids, versions) WITH ORDINALITY AS change (product_id, version, position)
WHERE xact > $1 OR (log.seq << 10) + position - 1 >= $2
ORDER BY xact, log.seq, position LIMIT $3";

/// Selects the newest change that no running transaction can precede.
pub(in crate::store) const SELECT_NEWEST: &str = "
SELECT xact, (log.seq << 10) + cardinality(product_ids) - 1 AS seq, at, kind,
    product_ids[cardinality(product_ids)] AS product_id, versions[cardinality(versions)] AS version
FROM product_change_log AS log WHERE xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact DESC, log.seq DESC LIMIT 1";

/// Selects the oldest change that a running transaction can still precede.
const SELECT_OLDEST_PENDING: &str = "
SELECT xact, log.seq << 10 AS seq, at, kind, product_ids[1] AS product_id, versions[1] AS version
FROM product_change_log AS log WHERE xact >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact, log.seq LIMIT 1";

/// Inserts a row without a product into an empty log, so that the log has a position.
const INSERT_SENTINEL: &str = "
INSERT INTO product_change_log (kind, product_ids, versions)
SELECT 0, '{NULL}', '{NULL}' WHERE NOT EXISTS (SELECT 1 FROM product_change_log)";

/// Deletes up to `$2` rows older than `$1` seconds, oldest first. Keeps the newest row, because a client's
/// cursor may refer to it.
const PRUNE: &str = "
DELETE FROM product_change_log
WHERE (xact, seq) IN (SELECT xact, seq FROM product_change_log ORDER BY xact, seq LIMIT $2)
    AND at < extract(epoch FROM now())::bigint - $1
    AND (xact, seq) < (SELECT xact, seq FROM product_change_log ORDER BY xact DESC, seq DESC LIMIT 1)";

pub(super) async fn changes_after(
    connection: &mut Connection,
    position: LogPosition,
    limit: u32,
) -> Result<LogRead, StoreError> {
    let values = [position.transaction_id.into(), position.sequence.into(), (i64::from(limit) + 1).into()];
    let entries = entries(connection, SELECT_FROM, values).await?;
    let mut read = LogRead::new(&entries, position, limit);
    let ids = read.product_ids();
    if !ids.is_empty() {
        read.add_products(products::get_many(connection, &ids).await?);
    }
    Ok(read)
}

pub(super) async fn newest_position(connection: &mut Connection) -> Result<Option<LogPosition>, StoreError> {
    Ok(entries(connection, SELECT_NEWEST, []).await?.first().map(|entry| entry.position))
}

/// Inserts a row without a product into an empty log, so that the log has a position.
pub(super) async fn insert_sentinel(connection: &mut Connection) -> Result<(), StoreError> {
    connection.execute(Statement::from_string(BACKEND, INSERT_SENTINEL)).await.map(drop)
}

pub(super) async fn change_lag(connection: &mut Connection) -> Result<Duration, StoreError> {
    let oldest = entries(connection, SELECT_OLDEST_PENDING, []).await?;
    let at = oldest.first().and_then(|entry| u64::try_from(entry.at).ok());
    let age = at.and_then(|at| SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(at)).ok());
    Ok(age.unwrap_or_default())
}

pub(super) async fn prune(
    connection: &mut Connection,
    max_age: Duration,
    max_rows: u32,
) -> Result<u64, StoreError> {
    let seconds = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
    let values = [seconds.into(), i64::from(max_rows).into()];
    connection.execute(Statement::from_sql_and_values(BACKEND, PRUNE, values)).await
}

async fn entries<const N: usize>(
    connection: &mut Connection,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<LogEntry>, StoreError> {
    let rows = connection.query(Statement::from_sql_and_values(BACKEND, sql, values)).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &PgRow) -> Result<LogEntry, StoreError> {
    let (id, version): (Option<i64>, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
    Ok(LogEntry {
        position: LogPosition { transaction_id: row.try_get(0)?, sequence: row.try_get(1)? },
        at: row.try_get(2)?,
        kind: row.try_get(3)?,
        id: id.map(ProductId::try_from).transpose()?,
        version: version.map(Version::from),
    })
}

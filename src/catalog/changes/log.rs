//! What happened to products of late, in order: the log that triggers write (see the migration), and creates on SQLite
//! themselves (`insert/directly.rs`).

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use entity::{product, product_change};
use humantime::Rfc3339Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement, Value as SqlValue,
};

use crate::{
    catalog::{Catalog, Error, Product, ProductId, Version},
    database::Kind,
};

/// A place in the log; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    xact: i64,
    seq: i64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.xact, self.seq)
    }
}

impl FromStr for LogPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = |text| i64::from_str_radix(text, 16).ok();
        let position =
            text.split_once('-').and_then(|(xact, seq)| Some(Self { xact: part(xact)?, seq: part(seq)? }));
        position.ok_or_else(|| {
            Error::invalid("after", "is not a position in the changes, as it was sent with one")
        })
    }
}

/// What happened to a product.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it stands in the log.
    pub position: LogPosition,
    /// What it was.
    pub kind: ChangeKind,
    /// Which product.
    pub id: ProductId,
    /// The version that the product has since, or had last.
    pub version: Version,
    /// When it happened, to the second.
    pub at: Rfc3339Timestamp,
    /// The product as it was when the change was read, which can be later; none where it is gone.
    pub product: Option<Arc<Product>>,
}

/// What can happen to a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Its name or price changed, perhaps more.
    Updated,
    /// Its amount changed, and nothing else.
    StockMoved,
    /// It is gone.
    Deleted,
}

/// What the log has behind a place.
#[derive(Debug)]
pub(in crate::catalog) enum Read {
    /// The first changes there.
    Changes {
        changes: Vec<Change>,
        /// The place of the last row that was read.
        last: LogPosition,
        /// Whether there were no more at this moment.
        is_all: bool,
    },
    /// The place is not in the log any more: nobody knows what came behind it.
    Gone,
}

/// What is asked of the log.
struct Questions {
    /// From the place `$1`, `$2` on, with the row that stands there; at most `$3`. Only rows that nothing can come
    /// before any more.
    from_place: &'static str,
    /// The newest such row.
    newest: &'static str,
    /// The oldest row that something can still come before.
    waiting: Option<&'static str>,
    /// A row to stand on in an empty log.
    mark: &'static str,
    /// Deletes the oldest rows of more than `$1` seconds, but never the newest, which somebody may stand on; `$2` at
    /// most, so that writers don't wait long.
    forget: &'static str,
}

/// A row holds up to 1000 changes, whose numbers begin at `seq * 1024` (see the migration): rows are cut off first, or all
/// of them might be taken apart for the first few changes.
const POSTGRESQL: Questions = Questions {
    from_place: "
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
    waiting: Some(
        "
SELECT xact, log.seq << 10 AS seq, at, kind, product_ids[1] AS product_id, versions[1] AS version
FROM product_change_log AS log WHERE xact >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact, log.seq LIMIT 1",
    ),
    mark: "
INSERT INTO product_change_log (kind, product_ids, versions)
SELECT 0, '{NULL}', '{NULL}' WHERE NOT EXISTS (SELECT 1 FROM product_change_log)",
    forget: "
DELETE FROM product_change_log
WHERE (xact, seq) IN (SELECT xact, seq FROM product_change_log ORDER BY xact, seq LIMIT $2)
    AND at < extract(epoch FROM now())::bigint - $1
    AND (xact, seq) < (SELECT xact, seq FROM product_change_log ORDER BY xact DESC, seq DESC LIMIT 1)",
};

/// There, `xact` is always 0, and `seq` is the key. A row with `product_ids` holds as many changes, numbered from `first_seq`
/// to `seq`. `json_each` goes through an array in its order, and the planner can't turn the join round: to sort by the place,
/// too, would take all rows apart for the first few changes.
const SQLITE: Questions = Questions {
    from_place: "
SELECT xact, coalesce(first_seq, log.seq) + key AS seq, at, kind, value AS product_id, version
FROM product_change AS log, json_each(coalesce(product_ids, json_array(product_id)))
WHERE log.seq >= $2 AND xact = $1 AND coalesce(first_seq, log.seq) + key >= $2
ORDER BY log.seq LIMIT $3",
    newest: "SELECT * FROM product_change ORDER BY seq DESC LIMIT 1",
    waiting: None,
    mark: "INSERT INTO product_change (kind) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM product_change)",
    forget: "
DELETE FROM product_change
WHERE seq IN (SELECT seq FROM product_change ORDER BY seq LIMIT $2)
    AND at < unixepoch() - $1 AND seq < (SELECT max(seq) FROM product_change)",
};

/// Rows deleted at a time.
const FORGOTTEN_AT_ONCE: u64 = 1000;

impl Catalog {
    fn questions(&self) -> Questions {
        match self.0.database.kind() {
            Kind::PostgreSql => POSTGRESQL,
            Kind::Sqlite => SQLITE,
        }
    }

    /// The first `limit` changes behind a place.
    pub(in crate::catalog) async fn changes_after(
        &self,
        position: LogPosition,
        limit: u32,
    ) -> Result<Read, Error> {
        let values = vec![position.xact.into(), position.seq.into(), (i64::from(limit) + 1).into()];
        let rows = self.log_rows(self.questions().from_place, values).await?;
        let Some((first, rows)) = rows.split_first().filter(|(first, _)| position_of(first) == position)
        else {
            return Ok(Read::Gone);
        };
        let last = position_of(rows.last().unwrap_or(first));
        let is_all = rows.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Read::Changes { changes: self.with_products(rows).await?, last, is_all })
    }

    /// The newest place in the log that nothing can come before any more; none as long as all of them could be joined
    /// by earlier ones. An empty log gets a mark to stand on.
    pub(in crate::catalog) async fn newest_place(&self) -> Result<Option<LogPosition>, Error> {
        let questions = self.questions();
        if let Some(newest) = self.log_rows(questions.newest, vec![]).await?.first() {
            return Ok(Some(position_of(newest)));
        }
        self.0.database.writes().execute_unprepared(questions.mark).await?;
        Ok(self.log_rows(questions.newest, vec![]).await?.first().map(position_of))
    }

    /// How old the oldest change is that can't be told yet, because an older transaction of PostgreSQL's is under way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn change_lag(&self) -> Result<Duration, Error> {
        let Some(waiting) = self.questions().waiting else {
            return Ok(Duration::ZERO);
        };
        let oldest = self.log_rows(waiting, vec![]).await?;
        let at = oldest.first().and_then(|row| u64::try_from(row.at).ok());
        let since =
            at.and_then(|at| SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(at)).ok());
        Ok(since.unwrap_or_default())
    }

    /// Deletes the changes that are older, but never the newest row, which somebody may stand on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn prune_change_log(&self, age: Duration) -> Result<(), Error> {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        loop {
            let values = vec![seconds.into(), FORGOTTEN_AT_ONCE.into()];
            let forget = self.log_statement(self.questions().forget, values);
            if self.0.database.writes().execute_raw(forget).await?.rows_affected() < FORGOTTEN_AT_ONCE {
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

    /// One query for all of the products.
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
            let gone = change.kind == ChangeKind::Deleted;
            Change { product: if gone { None } else { products.get(&change.id).cloned() }, ..change }
        };
        Ok(changes.into_iter().map(find).collect())
    }
}

fn position_of(row: &product_change::Model) -> LogPosition {
    LogPosition { xact: row.xact, seq: row.seq }
}

/// The change in a row; none where it is a mark.
fn change(row: &product_change::Model) -> Option<Change> {
    let kind = match row.kind {
        1 => ChangeKind::Created,
        2 => ChangeKind::Updated,
        3 => ChangeKind::StockMoved,
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

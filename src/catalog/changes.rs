//! What happened to products of late, in order: the log that triggers write (see the migration).

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use entity::{product, product_change};
use humantime::Rfc3339Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, Statement, Value as SqlValue,
};

use super::{Catalog, Error, Product, ProductId, Version};
use crate::database::Kind;

/// A place in the log; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    xact: i64,
    seq: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.xact, self.seq)
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let part = |text| i64::from_str_radix(text, 16).ok();
        let place =
            text.split_once('-').and_then(|(xact, seq)| Some(Self { xact: part(xact)?, seq: part(seq)? }));
        place.ok_or_else(|| Error::invalid("after", "is not a place in the changes, as it was sent with one"))
    }
}

/// What happened to a product.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it stands in the log.
    pub place: Place,
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
pub(super) enum Read {
    /// All or the first of the changes there, and the place of the last.
    Changes(Vec<Change>, Place),
    /// The place is not in the log any more: nobody knows what came behind it.
    Gone,
}

/// From a place on, with the row that stands there. `{safe}` are rows that nothing can come before any more.
const FROM_PLACE: &str =
    "SELECT * FROM product_change WHERE (xact, seq) >= ($1, $2) AND {safe} ORDER BY xact, seq LIMIT $3";
const NEWEST: &str = "SELECT * FROM product_change WHERE {safe} ORDER BY xact DESC, seq DESC LIMIT 1";
const FORGET: &str = "
DELETE FROM product_change
WHERE at < {now} - $1
    AND (xact, seq) < (SELECT xact, seq FROM product_change ORDER BY xact DESC, seq DESC LIMIT 1)";

/// How often a place is looked for that other transactions leave alone, and the pause between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(30);

impl Catalog {
    /// At most `limit` changes behind a place.
    pub(super) async fn changes_after(&self, place: Place, limit: u32) -> Result<Read, Error> {
        let values = vec![place.xact.into(), place.seq.into(), (i64::from(limit) + 1).into()];
        let rows = self.log_rows(FROM_PLACE, values).await?;
        let Some((first, rows)) = rows.split_first().filter(|(first, _)| place_of(first) == place) else {
            return Ok(Read::Gone);
        };
        let last = place_of(rows.last().unwrap_or(first));
        Ok(Read::Changes(self.with_products(rows).await?, last))
    }

    /// The newest place in the log that nothing can come before any more.
    pub(super) async fn newest_place(&self) -> Result<Place, Error> {
        if let Some(place) = self.safe_place().await? {
            return Ok(place);
        }
        // An empty log has no place to stand on.
        let mark = "INSERT INTO product_change (kind) VALUES (0)";
        self.database.writes().execute_unprepared(mark).await?;
        // There is none as long as a transaction is under way that began before.
        for _ in 0..TRIES {
            if let Some(place) = self.safe_place().await? {
                return Ok(place);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Unavailable)
    }

    async fn safe_place(&self) -> Result<Option<Place>, Error> {
        Ok(self.log_rows(NEWEST, vec![]).await?.first().map(place_of))
    }

    /// Deletes the changes that are older, but never the newest row, which somebody may stand on.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_changes(&self, age: Duration) -> Result<(), Error> {
        let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let statement = self.log_statement(FORGET, vec![seconds.into()]);
        self.database.writes().execute_raw(statement).await?;
        Ok(())
    }

    async fn log_rows(&self, sql: &str, values: Vec<SqlValue>) -> Result<Vec<product_change::Model>, Error> {
        let rows = self.database.reads().query_all_raw(self.log_statement(sql, values)).await?;
        let rows = rows.iter().map(|row| product_change::Model::from_query_result(row, ""));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn log_statement(&self, sql: &str, values: Vec<SqlValue>) -> Statement {
        let (safe, now) = match self.database.kind() {
            Kind::PostgreSql => (
                "xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
                "extract(epoch FROM now())::bigint",
            ),
            Kind::Sqlite => ("true", "unixepoch()"),
        };
        let backend = self.database.reads().get_database_backend();
        Statement::from_sql_and_values(backend, sql.replace("{safe}", safe).replace("{now}", now), values)
    }

    /// One query for all of the products.
    async fn with_products(&self, rows: &[product_change::Model]) -> Result<Vec<Change>, Error> {
        let changes: Vec<Change> = rows.iter().filter_map(change).collect();
        let mut ids: Vec<ProductId> = changes
            .iter()
            .filter(|change| change.kind != ChangeKind::Deleted)
            .map(|change| change.id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let products: HashMap<ProductId, Arc<Product>> = product::Entity::find()
            .filter(product::Column::Id.is_in(ids))
            .all(self.database.reads())
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

fn place_of(row: &product_change::Model) -> Place {
    Place { xact: row.xact, seq: row.seq }
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
        place: place_of(row),
        kind,
        id: row.product_id?,
        version: row.version?,
        at: humantime::format_rfc3339_seconds(at),
        product: None,
    })
}

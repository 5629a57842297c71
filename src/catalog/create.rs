//! Creates products: any number in one statement, all or none.
//!
//! One statement, because a request may be dropped at any moment when its client leaves: the database either
//! gets the whole of it or nothing, and no connection goes back to the pool inside a transaction.

use std::collections::{HashMap, HashSet};

use entity::product;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, SqlErr, Statement,
    Value as SqlValue,
};

use super::{Catalog, Error, NewProduct, Product, ProductId, Version, error::Fault, product::MOST_FAULTS};
use crate::database::Kind;

/// Generated ids are below this, and follow every id below it that was ever used (see the migration).
const GENERATED_BELOW: i64 = 1 << 52;

/// A statement that failed because its generated ids were stored past the server is tried so often in all.
const TRIES: usize = 3;

/// Ids asked for in one statement: well below the databases' limits on parameters.
const IDS_PER_QUERY: usize = 10_000;

/// `$1` to `$4` are the columns as arrays (id 0: generate one), `$5` is the version, `$6` how many ids to
/// generate. Chosen ids go in first, then the sequence moves past them, then the others get theirs: a refused
/// array leaves the sequence where it was. Ids go in sorted, so that two arrays can't deadlock.
const INSERT_POSTGRESQL: &str = "
WITH sent AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[])
        WITH ORDINALITY AS sent (id, name, price, amount, place)
), chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5 FROM sent WHERE id > 0 ORDER BY id
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), $6) FROM chosen
), numbered AS MATERIALIZED (
    SELECT nextval('product_id') AS id, name, price, amount
    FROM moved, (SELECT * FROM sent WHERE id = 0 ORDER BY place) AS without_id
), generated AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5 FROM numbered
)
SELECT numbered.id FROM moved LEFT JOIN numbered ON true";

/// `?1` is a JSON array of `[id, name, price, amount]` (id 0: generate one), `?2` the version, `?3` how many
/// ids to generate (when so many are not left, nothing is stored or returned), `?4` the highest id below 2^52
/// that was chosen.
const INSERT_SQLITE: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT CASE value ->> 0
           WHEN 0 THEN max(last, ?4) + row_number() OVER (PARTITION BY value ->> 0 = 0 ORDER BY key)
           ELSE value ->> 0
       END, value ->> 1, value ->> 2, value ->> 3, ?2
FROM product_id, json_each(?1)
WHERE ?3 = 0 OR max(last, ?4) + ?3 < 4503599627370496
ORDER BY 1
RETURNING id";

/// Brings the sequence behind ids that somebody stored past the server.
const CATCH_UP_POSTGRESQL: &str =
    "SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";

impl Catalog {
    /// Creates one product.
    ///
    /// # Errors
    /// [`Error::Duplicate`], [`Error::IdsExhausted`], or the database fails.
    pub async fn create(&self, new: NewProduct) -> Result<Product, Error> {
        let mut created = self.insert(vec![new], |_| None).await?;
        created.pop().ok_or(Error::Internal)
    }

    /// Creates all of them or none; the answer is in the order given.
    ///
    /// # Errors
    /// [`Error::Duplicate`] naming each product whose id is taken, [`Error::IdsExhausted`], or the database
    /// fails.
    pub async fn create_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        refuse_repeated_ids(&new)?;
        self.insert(new, Some).await
    }

    /// `index` tells how a fault names the product at a place.
    async fn insert(
        &self,
        new: Vec<NewProduct>,
        index: fn(usize) -> Option<usize>,
    ) -> Result<Vec<Product>, Error> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let version = Version::first(uuid::Uuid::new_v4().as_u64_pair().0);
        for _ in 0..TRIES {
            let error = match self.try_insert(&new, version).await {
                Ok(ids) => return put_together(new, ids, version),
                Err(error) => error,
            };
            if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
                return Err(error.into());
            }
            let taken = self.taken(&new, index).await?;
            if !taken.is_empty() {
                return Err(Error::Duplicate(taken));
            }
            // None of the ids sent is taken, so a generated one was.
            self.catch_up().await?;
        }
        tracing::warn!("generated ids were taken {TRIES} times in a row");
        Err(Error::Unavailable)
    }

    /// Runs the statement; the ids come in the order of `new`, and none where no more can be generated.
    async fn try_insert(&self, new: &[NewProduct], version: Version) -> Result<Vec<i64>, DbErr> {
        let database = self.database.writes();
        let sent: Vec<i64> = new.iter().map(|product| product.id.map_or(0, ProductId::get)).collect();
        let missing = i64::try_from(sent.iter().filter(|id| **id == 0).count()).unwrap_or(i64::MAX);
        let (sql, values): (_, Vec<SqlValue>) = match self.database.kind() {
            Kind::PostgreSql => (
                INSERT_POSTGRESQL,
                vec![
                    sent.clone().into(),
                    new.iter().map(|p| p.name.as_str().to_owned()).collect::<Vec<String>>().into(),
                    new.iter().map(|p| p.price.ten_thousandths()).collect::<Vec<i64>>().into(),
                    new.iter().map(|p| p.amount.get()).collect::<Vec<i32>>().into(),
                    version.into(),
                    missing.into(),
                ],
            ),
            Kind::Sqlite => {
                let rows = new.iter().zip(&sent);
                let rows: Vec<_> = rows
                    .map(|(p, id)| (id, p.name.as_str(), p.price.ten_thousandths(), p.amount.get()))
                    .collect();
                let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
                let highest = sent.iter().copied().filter(|id| *id < GENERATED_BELOW).max().unwrap_or(0);
                (INSERT_SQLITE, vec![rows.into(), version.into(), missing.into(), highest.into()])
            }
        };
        let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        // All rows are read to the end, since SQLite commits with the last step.
        let rows = match database.query_all_raw(statement).await {
            Err(error) if is_sequence_end(&error) => return Ok(Vec::new()),
            rows => rows?,
        };
        let returned = rows.iter().map(|row| row.try_get_by_index::<Option<i64>>(0));
        let returned = returned.collect::<Result<Vec<_>, _>>()?;
        Ok(in_order_sent(&sent, returned.into_iter().flatten().collect()))
    }

    /// The products whose id is in the database, as faults.
    async fn taken(
        &self,
        new: &[NewProduct],
        index: fn(usize) -> Option<usize>,
    ) -> Result<Vec<Fault>, DbErr> {
        let sent: Vec<(usize, ProductId)> =
            new.iter().enumerate().filter_map(|(place, product)| Some((place, product.id?))).collect();
        for part in sent.chunks(IDS_PER_QUERY) {
            let found: HashSet<i64> = product::Entity::find()
                .select_only()
                .column(product::Column::Id)
                .filter(product::COLUMN.id.is_in(part.iter().map(|(_, id)| *id)))
                .into_tuple()
                .all(self.database.writes())
                .await?
                .into_iter()
                .collect();
            if !found.is_empty() {
                return Ok(part
                    .iter()
                    .filter(|(_, id)| found.contains(&id.get()))
                    .take(MOST_FAULTS)
                    .map(|(place, id)| id_fault(index(*place), format!("{id} is taken")))
                    .collect());
            }
        }
        Ok(Vec::new())
    }

    async fn catch_up(&self) -> Result<(), DbErr> {
        match self.database.kind() {
            Kind::PostgreSql => {
                self.database.writes().execute_unprepared(CATCH_UP_POSTGRESQL).await.map(drop)
            }
            // The trigger never lags behind.
            Kind::Sqlite => Ok(()),
        }
    }
}

fn id_fault(index: Option<usize>, detail: String) -> Fault {
    Fault { index, field: "id", detail: detail.into() }
}

/// Two products of one array with the same id.
fn refuse_repeated_ids(new: &[NewProduct]) -> Result<(), Error> {
    let mut places = HashMap::new();
    let mut faults = Vec::new();
    for (place, id) in new.iter().enumerate().filter_map(|(place, product)| Some((place, product.id?))) {
        if let Some(first) = places.insert(id, place) {
            faults.push(id_fault(Some(place), format!("{id} is the id of product {first} too")));
        }
    }
    faults.truncate(MOST_FAULTS);
    if faults.is_empty() { Ok(()) } else { Err(Error::Duplicate(faults)) }
}

/// Generated ids rise in the order of the products without one. What is returned holds all of them, in any
/// order, and perhaps ids that were sent.
fn in_order_sent(sent: &[i64], mut returned: Vec<i64>) -> Vec<i64> {
    let chosen: HashSet<i64> = sent.iter().copied().collect();
    returned.retain(|id| !chosen.contains(id));
    returned.sort_unstable();
    let mut generated = returned.into_iter();
    let ids = sent.iter().map_while(|id| if *id == 0 { generated.next() } else { Some(*id) });
    ids.collect()
}

fn put_together(new: Vec<NewProduct>, ids: Vec<i64>, version: Version) -> Result<Vec<Product>, Error> {
    if ids.len() < new.len() {
        return Err(Error::IdsExhausted);
    }
    let products = new.into_iter().zip(ids).map(|(new, id)| {
        let NewProduct { id: _, name, price, amount } = new;
        // The table's check keeps ids in range.
        let id = ProductId::try_from(id).map_err(|_| Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}

/// PostgreSQL's sequence has no further value (SQLSTATE 2200H).
fn is_sequence_end(error: &DbErr) -> bool {
    use sea_orm::{RuntimeErr, sqlx::Error::Database};
    let (DbErr::Query(RuntimeErr::SqlxError(error)) | DbErr::Exec(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    matches!(&**error, Database(error) if error.code().is_some_and(|code| code == "2200H"))
}

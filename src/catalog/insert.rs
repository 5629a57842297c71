//! The statements that insert products: any number in one, all or none.
//!
//! One statement, because a request may be dropped at any moment when its client leaves: the database either
//! gets the whole of it or nothing, and no connection goes back to the pool inside a transaction.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr, Statement, Value as SqlValue};

use super::{Catalog, NewProduct, ProductId, Version, error::refusal};
use crate::database::Kind;

/// Generated ids are below this, and follow every id below it that was ever used (see the migration).
const GENERATED_BELOW: i64 = 1 << 52;

/// What a statement does with an id that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    Fail,
    Skip,
    Replace,
}

/// What a statement has stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The ids that were generated, in any order.
    pub generated: Vec<i64>,
    /// The chosen ids that are stored; `None` where all of them are.
    pub chosen: Option<HashSet<i64>>,
}

/// Who waits for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    One,
    /// They are not kept waiting long by another transaction.
    Many,
}

impl For {
    /// What PostgreSQL is told before it inserts; ends with the statement.
    fn patience(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Many => "set_config('lock_timeout', '100ms', true) AS patience,",
        }
    }
}

impl Conflict {
    /// How PostgreSQL tells which of the chosen ids are stored, where not all of them are: below zero, and with a 0, so that
    /// there is something to tell where none is.
    fn chosen(self) -> &'static str {
        if self == Self::Fail {
            return "";
        }
        "UNION ALL SELECT -id FROM (SELECT 0 AS id UNION ALL SELECT id FROM chosen) AS stored \
         WHERE (SELECT count(*) FROM chosen) < (SELECT count(*) FROM unnest($1::bigint[]) AS sent (id) WHERE id > 0)"
    }

    /// A product that has the version already was stored by the same call before: nothing replaces that one.
    fn clause(self) -> &'static str {
        match self {
            Self::Fail => "",
            Self::Skip => "ON CONFLICT (id) DO NOTHING",
            Self::Replace => {
                "ON CONFLICT (id) DO UPDATE SET name = excluded.name, price = excluded.price, \
                 amount = excluded.amount, version = excluded.version \
                 WHERE product.version <> excluded.version"
            }
        }
    }
}

/// `$1` to `$4` are the columns as arrays, sorted by id, `$5` is the version. Ids go in sorted, so that two arrays can't
/// deadlock, and only then the sequence moves past them: a refused array leaves it where it was. `{conflict}` is for
/// [`Conflict::clause`], `{patience}` for [`For::patience`], `{chosen}` for [`Conflict::chosen`].
const INSERT_CHOSEN_POSTGRESQL: &str = "
WITH chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5
    FROM {patience} unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS sent (id, name, price, amount)
    {conflict}
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), 0) FROM chosen
)
SELECT NULL::bigint FROM moved {chosen}";

/// As [`INSERT_CHOSEN_POSTGRESQL`] of columns in the order sent, with `$6` ids to generate, for products with the id 0: after
/// the chosen ones.
const INSERT_POSTGRESQL: &str = "
WITH sent AS MATERIALIZED (
    SELECT sent.* FROM {patience} unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[])
        WITH ORDINALITY AS sent (id, name, price, amount, place)
), chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, $5 FROM sent WHERE id > 0 ORDER BY id {conflict}
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
SELECT numbered.id FROM moved LEFT JOIN numbered ON true {chosen}";

/// `{rows}` are the products, those with chosen ids first. Of ids to generate, -1 is the first one, -2 the second; `{missing}`
/// is how many there are, and where so many are not left, nothing is stored. `{highest}` is the highest id below 2^52 that
/// was chosen, `{version}` the version, `{conflict}` for [`Conflict::clause`]. The last id that was used is looked up only
/// where it is needed: as a table to join, it would cost each row.
const INSERT_SQLITE: &str = "
WITH sent (id, name, price, amount) AS ({rows}), used (last) AS (
    SELECT max(last, {highest}, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0))
    FROM product_id
)
INSERT INTO product (id, name, price, amount, version)
SELECT CASE WHEN id < 0 THEN (SELECT last FROM used) - id ELSE id END, name, price, amount, {version} FROM sent
WHERE id IS NOT NULL AND ({missing} = 0 OR (SELECT last FROM used) + {missing} < 4503599627370496) {conflict}";

/// Most products of several arrays that are stored together; and most that SQLite gets as so many parameters, which takes
/// it half as long as a JSON array of them.
pub(super) const MOST_TOGETHER: usize = 4096;

/// Brings the sequence behind ids that somebody stored past the server.
const CATCH_UP_POSTGRESQL: &str =
    "SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";

impl Catalog {
    /// Runs the statement; `None` where no more ids can be generated.
    pub(super) async fn try_store(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Stored>, DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => self.try_store_postgresql(new, version, conflict, who).await,
            Kind::Sqlite => self.try_store_sqlite(new, version, conflict).await,
        }
    }

    async fn try_store_postgresql(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Stored>, DbErr> {
        let missing = count(new.iter().filter(|product| product.id.is_none()));
        let mut new: Vec<&NewProduct> = new.iter().collect();
        if missing == 0 {
            new.sort_by_key(|product| product.id);
        }
        let mut values: Vec<SqlValue> = vec![
            new.iter().map(|product| product.id.map_or(0, ProductId::get)).collect::<Vec<i64>>().into(),
            new.iter().map(|product| product.name.as_str().to_owned()).collect::<Vec<String>>().into(),
            new.iter().map(|product| product.price.ten_thousandths()).collect::<Vec<i64>>().into(),
            new.iter().map(|product| product.amount.get()).collect::<Vec<i32>>().into(),
            version.into(),
        ];
        let sql = if missing > 0 {
            values.push(missing.into());
            INSERT_POSTGRESQL
        } else {
            INSERT_CHOSEN_POSTGRESQL
        };
        let sql = sql.replace("{conflict}", conflict.clause());
        let sql = sql.replace("{patience}", who.patience()).replace("{chosen}", conflict.chosen());
        match self.returned_ids(sql, values).await {
            Err(error) if is_sequence_end(&error) => Ok(None),
            Err(error) => Err(error),
            Ok(ids) => {
                let (generated, chosen): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| *id > 0);
                let chosen = (!chosen.is_empty()).then(|| chosen.into_iter().map(|id| -id).collect());
                Ok(Some(Stored { generated, chosen }))
            }
        }
    }

    async fn try_store_sqlite(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
    ) -> Result<Option<Stored>, DbErr> {
        let mut chosen: Vec<_> =
            new.iter().filter_map(|product| Some((product.id?.get(), product))).collect();
        chosen.sort_unstable_by_key(|(id, _)| *id);
        // Those without an id come last: so the last row is one of them.
        let generated = (1..).zip(new.iter().filter(|product| product.id.is_none()));
        let generated = generated.map(|(place, product): (i64, _)| (-place, product));
        let missing = count(generated.clone());
        let rows: Vec<(i64, &NewProduct)> = chosen.iter().copied().chain(generated).collect();
        let highest = chosen.iter().rev().map(|(id, _)| *id).find(|id| *id < GENERATED_BELOW).unwrap_or(0);
        let (rows, mut values) = rows_sqlite(&rows)?;
        let mut sql = INSERT_SQLITE.replace("{conflict}", conflict.clause());
        for (name, value) in
            [("{version}", version.into()), ("{highest}", highest.into()), ("{missing}", missing.into())]
        {
            values.push(value);
            sql = sql.replace(name, &format!("?{}", values.len()));
        }
        // Last, since they are long.
        let sql = sql.replace("{rows}", &rows);
        if conflict == Conflict::Fail {
            // All of them or none: no need to hand each row over.
            let database = self.0.database.writes();
            let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
            let done = database.execute_raw(statement).await?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            let last = if missing > 0 { i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX) } else { 0 };
            return Ok(Some(Stored { generated: (last - missing + 1..=last).collect(), chosen: None }));
        }
        let ids = self.returned_ids(sql + " RETURNING id", values).await?;
        if ids.is_empty() && missing > 0 {
            return Ok(None);
        }
        let is_chosen = |id: &i64| chosen.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let (stored, generated): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(is_chosen);
        Ok(Some(Stored {
            generated,
            chosen: (stored.len() < chosen.len()).then(|| stored.into_iter().collect()),
        }))
    }

    /// The ids that a statement returns. All rows are read to the end, since SQLite commits with the last step.
    async fn returned_ids(
        &self,
        sql: String,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<Vec<i64>, DbErr> {
        let database = self.0.database.writes();
        let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        let rows = database.query_all_raw(statement).await?;
        rows.iter().filter_map(|row| row.try_get_by_index::<Option<i64>>(0).transpose()).collect()
    }

    pub(super) async fn catch_up(&self) -> Result<(), DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => {
                self.0.database.writes().execute_unprepared(CATCH_UP_POSTGRESQL).await.map(drop)
            }
            // Generated ids follow those that are there.
            Kind::Sqlite => Ok(()),
        }
    }
}

/// Rows of products, and the parameters in them.
fn rows_sqlite(rows: &[(i64, &NewProduct)]) -> Result<(String, Vec<SqlValue>), DbErr> {
    if rows.len() > MOST_TOGETHER {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, new)| (id, new.name.as_str(), new.price.ten_thousandths(), new.amount.get()))
            .collect();
        let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
        let sql = "SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
        return Ok((sql.to_owned(), vec![rows.into()]));
    }
    // Few different statements, that they stay prepared: filled up with rows of nothing.
    let count = rows.len().next_power_of_two();
    let mut values = Vec::with_capacity(4 * count + 3);
    for (id, new) in rows {
        let NewProduct { name, price, amount, .. } = new;
        let (name, price, amount) = (name.as_str().to_owned(), price.ten_thousandths(), amount.get());
        values.extend([SqlValue::from(*id), name.into(), price.into(), amount.into()]);
    }
    values.resize(4 * count, SqlValue::BigInt(None));
    Ok((format!("VALUES (?,?,?,?){}", ",(?,?,?,?)".repeat(count - 1)), values))
}

fn count(items: impl Iterator) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

/// PostgreSQL's sequence has no further value (SQLSTATE 2200H).
fn is_sequence_end(error: &DbErr) -> bool {
    refusal(error).is_some_and(|refusal| refusal.code().is_some_and(|code| code == "2200H"))
}

//! Inserts into PostgreSQL.
//!
//! One statement, because a request may be dropped at any moment when its client leaves: the database either
//! gets the whole of it or nothing, and no connection goes back to the pool inside a transaction.

use sea_orm::{ConnectionTrait, DbErr, Value as SqlValue};

use super::{Conflict, For, Stored, chosen, count};
use crate::{
    catalog::{Catalog, NewProduct, ProductId, Version, error::refusal},
    database::Kind,
};

impl For {
    /// A condition that always holds. Asked for it before it inserts, PostgreSQL learns how long to wait for others until the
    /// statement ends.
    fn patience(self) -> &'static str {
        match self {
            Self::One => "true",
            Self::Many => "set_config('lock_timeout', '100ms', true) IS NOT NULL",
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
         WHERE (SELECT count(*) FROM chosen) < (SELECT count(*) FROM unnest($5::bigint[]) AS sent (id) WHERE id > 0)"
    }
}

/// `{columns}` of the statements below, sent as arrays; `$4` is the version. Beside each other in a list of results, arrays
/// become rows as these are stored; in a `FROM`, PostgreSQL first writes each of them down, which takes it a tenth longer.
const COLUMNS: &str = "unnest($1::text[]) AS name, unnest($2::bigint[]) AS price, unnest($3::integer[]) AS amount, \
     $4::bigint AS version";

/// `$5` are the ids, by which all is sorted, `$6` the highest id below 2^52, or 0. Ids go in sorted, so that two arrays can't
/// deadlock, and only then the sequence moves past them: a refused array leaves it where it was. It moves as a last row that
/// is none, since rows are stored one by one as they come: that is a tenth cheaper than to have the ids returned.
/// `{patience}` is for [`For::patience`].
const INSERT_OR_FAIL: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT unnest($5::bigint[]), {columns} WHERE {patience}
UNION ALL
SELECT last, '', last, 0, last FROM product_id_used($6, 0) AS last WHERE last IS NULL";

/// As [`INSERT_OR_FAIL`] without `$6`, where taken ids are no failure. `{conflict}` is for [`Conflict::clause`], `{chosen}`
/// for [`Conflict::chosen`].
const INSERT_CHOSEN: &str = "
WITH chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT unnest($5::bigint[]), {columns} WHERE {patience}
    {conflict}
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), 0) FROM chosen
)
SELECT NULL::bigint FROM moved {chosen}";

/// Generates `$5` ids, one for each in the order sent, if so many are left. Beside `{columns}`, `nextval` would be called once
/// more, where the arrays have ended, and an id lost.
const INSERT_GENERATED: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT nextval('product_id'), name, price, amount, version
FROM (SELECT {columns} FROM product_id_used(0, $5) WHERE {patience}) AS sent
RETURNING id";

/// As [`INSERT_CHOSEN`] of columns in the order sent, with `$6` ids to generate, for products with the id 0: after
/// the chosen ones.
const INSERT: &str = "
WITH sent AS MATERIALIZED (
    SELECT unnest($5::bigint[]) AS id, {columns}, generate_subscripts($5::bigint[], 1) AS place WHERE {patience}
), chosen AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM sent WHERE id > 0 ORDER BY id {conflict}
    RETURNING id
), moved AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), $6) FROM chosen
), numbered AS MATERIALIZED (
    SELECT nextval('product_id') AS id, name, price, amount, version
    FROM moved, (SELECT * FROM sent WHERE id = 0 ORDER BY place) AS without_id
), generated AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM numbered
)
SELECT numbered.id FROM moved LEFT JOIN numbered ON true {chosen}";

/// Brings the sequence behind ids that somebody stored past the server.
const CATCH_UP: &str = "SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";

impl Catalog {
    pub(super) async fn try_store_postgresql(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
        who: For,
    ) -> Result<Option<Stored>, DbErr> {
        let missing = count(new.iter().filter(|product| product.id.is_none()));
        let (mut rows, highest) = chosen(new);
        let is_none_chosen = rows.is_empty();
        if missing > 0 {
            rows = new.iter().map(|product| (product.id.map_or(0, ProductId::get), product)).collect();
        }
        let mut values: Vec<SqlValue> = vec![
            rows.iter().map(|(_, product)| product.name.as_str().to_owned()).collect::<Vec<String>>().into(),
            rows.iter().map(|(_, product)| product.price.ten_thousandths()).collect::<Vec<i64>>().into(),
            rows.iter().map(|(_, product)| product.amount.get()).collect::<Vec<i32>>().into(),
            version.into(),
        ];
        let ids = || SqlValue::from(rows.iter().map(|(id, _)| *id).collect::<Vec<i64>>());
        let sql = if is_none_chosen {
            values.push(missing.into());
            INSERT_GENERATED
        } else if missing > 0 {
            values.extend([ids(), missing.into()]);
            INSERT
        } else if conflict == Conflict::Fail {
            values.extend([ids(), highest.into()]);
            INSERT_OR_FAIL
        } else {
            values.push(ids());
            INSERT_CHOSEN
        };
        let sql = sql.replace("{columns}", COLUMNS).replace("{patience}", who.patience());
        let sql = sql.replace("{conflict}", conflict.clause()).replace("{chosen}", conflict.chosen());
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

    /// Brings what generates ids behind those that somebody stored past the server.
    pub(in crate::catalog) async fn catch_up(&self) -> Result<(), DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => self.0.database.writes().execute_unprepared(CATCH_UP).await.map(drop),
            // Generated ids follow those that are there.
            Kind::Sqlite => Ok(()),
        }
    }
}

/// PostgreSQL's sequence has no further value (SQLSTATE 2200H).
fn is_sequence_end(error: &DbErr) -> bool {
    refusal(error).is_some_and(|refusal| refusal.code().is_some_and(|code| code == "2200H"))
}

//! Inserts into PostgreSQL.
//!
//! Each insert is one statement, because the request is dropped if its client disconnects. The database
//! stores all rows of a statement or none. No connection returns to the pool inside a transaction.

use sea_orm::{ConnectionTrait, DbErr, Value as SqlValue};

use super::{InsertOutcome, Inserted, LockWait, RowConflict, StoredIds, client_rows, count};
use crate::{
    catalog::{Products, database_error::database_error},
    database::Kind,
    domain::{NewProduct, ProductId, Version},
};

impl LockWait {
    /// Returns a condition that is always true. PostgreSQL evaluates it before it inserts, which sets the
    /// lock timeout for the rest of the statement.
    fn condition(self) -> &'static str {
        match self {
            Self::Default => "true",
            Self::Short => "set_config('lock_timeout', '100ms', true) IS NOT NULL",
        }
    }
}

impl RowConflict {
    /// Returns the SQL that adds the stored client ids to the result if some rows were not stored. The ids
    /// are negated. A 0 is added, so that the list is not empty even if no row was stored.
    fn stored_ids(self) -> &'static str {
        if self == Self::Fail {
            return "";
        }
        "UNION ALL SELECT -id FROM (SELECT 0 AS id UNION ALL SELECT id FROM inserted) AS stored \
         WHERE (SELECT count(*) FROM inserted) < (SELECT count(*) FROM unnest($5::bigint[]) AS sent (id) WHERE id > 0)"
    }
}

/// `{columns}` of the statements below: the values as arrays, and the version as `$4`. From a select list,
/// PostgreSQL inserts each row as it is produced. In a `FROM` clause, it would materialize each array first,
/// which takes 10 % longer.
const COLUMNS: &str = "unnest($1::text[]) AS name, unnest($2::bigint[]) AS price, unnest($3::integer[]) AS amount, \
     $4::bigint AS version";

/// Inserts products that all have client ids, or fails if an id is taken. `$5` are the ids, by which the
/// arrays are sorted. `$6` is the highest id below 2^52, or 0. `{lock_timeout}` is [`LockWait::condition`].
///
/// The sort order prevents deadlocks between two inserts. The second `SELECT` inserts no row. It advances the
/// sequence after all rows are stored, so that a failed insert leaves the sequence unchanged. A `RETURNING`
/// clause for this purpose would take 10 % longer.
const INSERT_CLIENT_IDS_OR_FAIL: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT unnest($5::bigint[]), {columns} WHERE {lock_timeout}
UNION ALL
SELECT last, '', last, 0, last FROM product_id_used($6, 0) AS last WHERE last IS NULL";

/// Inserts products that all have client ids, and skips or replaces rows whose ids are taken. `$5` are the
/// ids, `{conflict}` is [`RowConflict::clause`], and `{stored_ids}` is [`RowConflict::stored_ids`].
const INSERT_CLIENT_IDS: &str = "
WITH inserted AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT unnest($5::bigint[]), {columns} WHERE {lock_timeout}
    {conflict}
    RETURNING id
), advanced AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), 0) FROM inserted
)
SELECT NULL::bigint FROM advanced {stored_ids}";

/// Inserts `$5` products without ids and generates their ids in the order sent. Fails if too few ids can be
/// generated. The outer `SELECT` calls `nextval`. In the inner one, it would be called once more after the
/// arrays end, and an id would be lost.
const INSERT_GENERATED_IDS: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT nextval('product_id'), name, price, amount, version
FROM (SELECT {columns} FROM product_id_used(0, $5) WHERE {lock_timeout}) AS sent
RETURNING id";

/// Inserts products with and without client ids, as arrays in the order sent. `$5` are the ids, with 0 for
/// each id to generate. `$6` is the number of ids to generate. Products with client ids are inserted first.
/// The placeholders are those of [`INSERT_CLIENT_IDS`].
const INSERT_MIXED: &str = "
WITH sent AS MATERIALIZED (
    SELECT unnest($5::bigint[]) AS id, {columns}, generate_subscripts($5::bigint[], 1) AS ordinal
    WHERE {lock_timeout}
), inserted AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM sent WHERE id > 0 ORDER BY id {conflict}
    RETURNING id
), advanced AS MATERIALIZED (
    SELECT product_id_used(max(id) FILTER (WHERE id < 4503599627370496), $6) FROM inserted
), numbered AS MATERIALIZED (
    SELECT nextval('product_id') AS id, name, price, amount, version
    FROM advanced, (SELECT * FROM sent WHERE id = 0 ORDER BY ordinal) AS without_id
), generated AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM numbered
)
SELECT numbered.id FROM advanced LEFT JOIN numbered ON true {stored_ids}";

/// Advances the id sequence past the highest stored id below 2^52.
const ADVANCE_ID_SEQUENCE: &str =
    "SELECT product_id_used((SELECT max(id) FROM product WHERE id < 4503599627370496), 0)";

impl Products {
    pub(super) async fn insert_postgresql(
        &self,
        new: &[NewProduct],
        version: Version,
        row_conflict: RowConflict,
        lock_wait: LockWait,
    ) -> Result<InsertOutcome, DbErr> {
        let generated_count = count(new.iter().filter(|product| product.id.is_none()));
        let (mut rows, highest) = client_rows(new);
        let all_generated = rows.is_empty();
        if generated_count > 0 {
            rows = new.iter().map(|product| (product.id.map_or(0, ProductId::get), product)).collect();
        }
        let mut values: Vec<SqlValue> = vec![
            rows.iter().map(|(_, product)| product.name.as_str().to_owned()).collect::<Vec<String>>().into(),
            rows.iter().map(|(_, product)| product.price.ten_thousandths()).collect::<Vec<i64>>().into(),
            rows.iter().map(|(_, product)| product.amount.get()).collect::<Vec<i32>>().into(),
            version.into(),
        ];
        let ids = || SqlValue::from(rows.iter().map(|(id, _)| *id).collect::<Vec<i64>>());
        let sql = if all_generated {
            values.push(generated_count.into());
            INSERT_GENERATED_IDS
        } else if generated_count > 0 {
            values.extend([ids(), generated_count.into()]);
            INSERT_MIXED
        } else if row_conflict == RowConflict::Fail {
            values.extend([ids(), highest.into()]);
            INSERT_CLIENT_IDS_OR_FAIL
        } else {
            values.push(ids());
            INSERT_CLIENT_IDS
        };
        let sql = sql.replace("{columns}", COLUMNS).replace("{lock_timeout}", lock_wait.condition());
        let sql = sql.replace("{conflict}", row_conflict.clause());
        let sql = sql.replace("{stored_ids}", row_conflict.stored_ids());
        match self.query_ids(sql, values).await {
            Err(error) if is_sequence_exhausted(&error) => Ok(InsertOutcome::IdsExhausted),
            Err(error) => Err(error),
            Ok(ids) => {
                let (generated_ids, stored): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| *id > 0);
                let stored_client_ids = if stored.is_empty() {
                    StoredIds::All
                } else {
                    StoredIds::Some(stored.into_iter().map(|id| -id).collect())
                };
                Ok(InsertOutcome::Inserted(Inserted { generated_ids, stored_client_ids }))
            }
        }
    }

    /// Advances the id sequence past ids of rows that other programs have inserted. Does nothing on SQLite,
    /// which derives generated ids from the stored rows.
    pub(in crate::catalog) async fn advance_id_sequence(&self) -> Result<(), DbErr> {
        match self.0.database.kind() {
            Kind::PostgreSql => {
                self.0.database.writes().execute_unprepared(ADVANCE_ID_SEQUENCE).await.map(drop)
            }
            Kind::Sqlite => Ok(()),
        }
    }
}

/// Returns whether too few ids can still be generated (SQLSTATE 2200H).
fn is_sequence_exhausted(error: &DbErr) -> bool {
    database_error(error).is_some_and(|error| error.code().is_some_and(|code| code == "2200H"))
}

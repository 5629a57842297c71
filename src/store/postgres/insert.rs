//! Inserts into PostgreSQL.
//!
//! Each insert is one statement, because the request is dropped if its client disconnects. The database
//! stores all rows of a statement or none. No connection returns to the pool inside a transaction.

use sea_orm::{Statement, Value};

use super::{BACKEND, connection::Connection, products, rows};
use crate::{
    domain::{NewProduct, ProductId},
    store::{
        StoreError,
        insert::{Insert, Inserted, LockWait, RowConflict, StoredIds, client_rows, count},
    },
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

/// Inserts products that all have client ids. `$5` are the ids, by which the arrays are sorted, which prevents
/// deadlocks between two inserts. `{lock_timeout}` is [`LockWait::condition`].
const INSERT_CLIENT_IDS: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT unnest($5::bigint[]), {columns} WHERE {lock_timeout}";

/// The same, but skips or replaces rows whose ids are taken. `{conflict}` is [`RowConflict::clause`], and
/// `{stored_ids}` is [`RowConflict::stored_ids`].
const INSERT_CLIENT_IDS_OR_SKIP: &str = "
WITH inserted AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT unnest($5::bigint[]), {columns} WHERE {lock_timeout}
    {conflict}
    RETURNING id
)
SELECT NULL::bigint WHERE false {stored_ids}";

/// Inserts products without ids and generates their ids in the order sent. The outer `SELECT` calls
/// `nextval`. In the inner one, it would be called once more after the arrays end, and an id would be lost.
const INSERT_GENERATED_IDS: &str = "
INSERT INTO product (id, name, price, amount, version)
SELECT nextval('product_id'), name, price, amount, version
FROM (SELECT {columns} WHERE {lock_timeout}) AS sent
RETURNING id";

/// Inserts products with and without client ids, as arrays in the order sent. `$5` are the ids, with 0 for
/// each id to generate. Products with client ids are inserted first. The placeholders are those of
/// [`INSERT_CLIENT_IDS_OR_SKIP`].
const INSERT_MIXED: &str = "
WITH sent AS MATERIALIZED (
    SELECT unnest($5::bigint[]) AS id, {columns}, generate_subscripts($5::bigint[], 1) AS ordinal
    WHERE {lock_timeout}
), inserted AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM sent WHERE id > 0 ORDER BY id {conflict}
    RETURNING id
), numbered AS MATERIALIZED (
    SELECT nextval('product_id') AS id, name, price, amount, version
    FROM (SELECT count(*) FROM inserted) AS first,
        (SELECT * FROM sent WHERE id = 0 ORDER BY ordinal) AS without_id
), generated AS (
    INSERT INTO product (id, name, price, amount, version)
    SELECT id, name, price, amount, version FROM numbered
)
SELECT id FROM numbered {stored_ids}";

/// Advances the id sequence past ids that clients have used or use in `$1`, until `$2` ids are free (see the migration).
const SKIP_USED_IDS: &str = "SELECT product_id_skip_used($1, $2)";

/// Inserts the products with one statement.
pub(super) async fn insert(connection: &mut Connection, insert: &Insert) -> Result<Inserted, StoreError> {
    let Insert { products, version, on_conflict, wait } = insert;
    let generated_count = count(products.iter().filter(|product| product.id.is_none()));
    let mut rows = client_rows(products);
    let all_generated = rows.is_empty();
    if generated_count > 0 {
        rows = products.iter().map(|product| (product.id.map_or(0, ProductId::get), product)).collect();
    }
    let mut values = values(&rows, version.get());
    let sql = if all_generated {
        INSERT_GENERATED_IDS
    } else {
        values.push(rows.iter().map(|(id, _)| *id).collect::<Vec<i64>>().into());
        match on_conflict {
            _ if generated_count > 0 => INSERT_MIXED,
            RowConflict::Fail => INSERT_CLIENT_IDS,
            RowConflict::Skip | RowConflict::Replace => INSERT_CLIENT_IDS_OR_SKIP,
        }
    };
    let sql = sql.replace("{columns}", COLUMNS).replace("{lock_timeout}", wait.condition());
    let sql = sql.replace("{conflict}", on_conflict.clause());
    let sql = sql.replace("{stored_ids}", on_conflict.stored_ids());
    let rows = connection.query(Statement::from_sql_and_values(BACKEND, sql, values)).await?;
    let ids: Vec<i64> = rows::first_column(&rows)?;
    let (generated_ids, stored): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| *id > 0);
    let stored_client_ids = if stored.is_empty() {
        StoredIds::All
    } else {
        StoredIds::Some(stored.into_iter().map(|id| -id).collect())
    };
    Ok(Inserted { generated_ids, stored_client_ids })
}

fn values(rows: &[(i64, &NewProduct)], version: i64) -> Vec<Value> {
    vec![
        rows.iter().map(|(_, product)| product.name.as_str().to_owned()).collect::<Vec<String>>().into(),
        rows.iter().map(|(_, product)| product.price.ten_thousandths()).collect::<Vec<i64>>().into(),
        rows.iter().map(|(_, product)| product.amount.get()).collect::<Vec<i32>>().into(),
        version.into(),
    ]
}

pub(super) async fn skip_used_ids(
    connection: &mut Connection,
    ids: &[ProductId],
    wanted: usize,
) -> Result<(), StoreError> {
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    let values = [products::columns(ids).into(), wanted.into()];
    let statement = Statement::from_sql_and_values(BACKEND, SKIP_USED_IDS, values);
    connection.execute(statement).await.map(drop)
}

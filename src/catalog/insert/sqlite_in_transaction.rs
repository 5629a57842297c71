//! Inserts into SQLite as one statement through sqlx, for transactions and for replacements. Triggers write
//! the change log.

use sea_orm::{DbErr, Value as SqlValue};

use super::{InsertOutcome, Inserted, RowConflict, StoredIds, client_rows, count};
use crate::{
    catalog::Products,
    domain::{NewProduct, Version},
};

/// `{rows}` are the products, those with client ids first. Products without an id have the placeholder ids -1,
/// -2 and so on; `{generated_count}` is their number. If too few ids can be generated, no row is stored.
/// `{highest}` is the highest client id below 2^52, or 0. `{conflict}` is [`RowConflict::clause`].
///
/// The last used id is a subquery, which runs only if it is needed. A join would slow down every row.
const INSERT_ROWS: &str = "
WITH sent (id, name, price, amount) AS ({rows}), used (last) AS (
    SELECT max(last, {highest}, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0))
    FROM product_id
)
INSERT INTO product (id, name, price, amount, version)
SELECT CASE WHEN id < 0 THEN (SELECT last FROM used) - id ELSE id END, name, price, amount, {version} FROM sent
WHERE id IS NOT NULL
    AND ({generated_count} = 0 OR (SELECT last FROM used) + {generated_count} < 4503599627370496) {conflict}";

/// Maximum number of rows sent as parameters, which take half as long as a JSON array.
const MAX_PARAMETER_ROWS: usize = 4096;

impl Products {
    pub(super) async fn insert_sqlite(
        &self,
        new: &[NewProduct],
        version: Version,
        row_conflict: RowConflict,
    ) -> Result<InsertOutcome, DbErr> {
        let (client_rows, highest) = client_rows(new);
        let generated_rows = (1..).zip(new.iter().filter(|product| product.id.is_none()));
        let generated_rows = generated_rows.map(|(number, product): (i64, _)| (-number, product));
        let generated_count = count(generated_rows.clone());
        let rows: Vec<(i64, &NewProduct)> = client_rows.iter().copied().chain(generated_rows).collect();
        let (rows, mut values) = rows_and_parameters(&rows)?;
        let mut sql = INSERT_ROWS.replace("{conflict}", row_conflict.clause());
        for (name, value) in [
            ("{version}", version.into()),
            ("{highest}", highest.into()),
            ("{generated_count}", generated_count.into()),
        ] {
            values.push(value);
            sql = sql.replace(name, &format!("?{}", values.len()));
        }
        // The rows are added last, so that the other replacements do not search this long text.
        let sql = sql.replace("{rows}", &rows);
        let ids = self.query_ids(sql + " RETURNING id", values).await?;
        if ids.is_empty() && generated_count > 0 {
            return Ok(InsertOutcome::IdsExhausted);
        }
        let is_client_id = |id: &i64| client_rows.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let (stored, generated_ids): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(is_client_id);
        let stored_client_ids = StoredIds::new(stored.into_iter(), client_rows.len());
        Ok(InsertOutcome::Inserted(Inserted { generated_ids, stored_client_ids }))
    }
}

/// Returns the SQL that produces the rows, and its parameters.
fn rows_and_parameters(rows: &[(i64, &NewProduct)]) -> Result<(String, Vec<SqlValue>), DbErr> {
    if rows.len() > MAX_PARAMETER_ROWS {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, new)| (id, new.name.as_str(), new.price.ten_thousandths(), new.amount.get()))
            .collect();
        let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
        let sql = "SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)";
        return Ok((sql.to_owned(), vec![rows.into()]));
    }
    // Padding with null rows to a power of two keeps the number of prepared statements small.
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

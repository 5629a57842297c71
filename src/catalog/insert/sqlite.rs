//! Inserts into SQLite by one statement of sqlx's: within transactions, and where products are replaced. Triggers log them.

use sea_orm::{DbErr, Value as SqlValue};

use super::{Conflict, MOST_TOGETHER, Stored, chosen, count};
use crate::catalog::{Catalog, NewProduct, Version};

/// `{rows}` are the products, those with chosen ids first. Of ids to generate, -1 is the first one, -2 the second; `{missing}`
/// is how many there are, and where so many are not left, nothing is stored. `{highest}` is the highest id below 2^52 that
/// was chosen, `{version}` the version, `{conflict}` for [`Conflict::clause`]. The last id that was used is looked up only
/// where it is needed: as a table to join, it would cost each row.
const INSERT: &str = "
WITH sent (id, name, price, amount) AS ({rows}), used (last) AS (
    SELECT max(last, {highest}, coalesce((SELECT max(id) FROM product WHERE id < 4503599627370496), 0))
    FROM product_id
)
INSERT INTO product (id, name, price, amount, version)
SELECT CASE WHEN id < 0 THEN (SELECT last FROM used) - id ELSE id END, name, price, amount, {version} FROM sent
WHERE id IS NOT NULL AND ({missing} = 0 OR (SELECT last FROM used) + {missing} < 4503599627370496) {conflict}";

impl Catalog {
    pub(super) async fn try_store_sqlite(
        &self,
        new: &[NewProduct],
        version: Version,
        conflict: Conflict,
    ) -> Result<Option<Stored>, DbErr> {
        let (chosen, highest) = chosen(new);
        let generated = (1..).zip(new.iter().filter(|product| product.id.is_none()));
        let generated = generated.map(|(place, product): (i64, _)| (-place, product));
        let missing = count(generated.clone());
        let rows: Vec<(i64, &NewProduct)> = chosen.iter().copied().chain(generated).collect();
        let (rows, mut values) = parameters(&rows)?;
        let mut sql = INSERT.replace("{conflict}", conflict.clause());
        for (name, value) in
            [("{version}", version.into()), ("{highest}", highest.into()), ("{missing}", missing.into())]
        {
            values.push(value);
            sql = sql.replace(name, &format!("?{}", values.len()));
        }
        // Last, since they are long.
        let sql = sql.replace("{rows}", &rows);
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
}

/// Rows of products, and the parameters in them.
fn parameters(rows: &[(i64, &NewProduct)]) -> Result<(String, Vec<SqlValue>), DbErr> {
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

//! Changes and deletions of many products, all or none in one statement.

use std::collections::HashMap;

use entity::product;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement, Value as SqlValue,
};

use super::{
    Catalog, Error, Filter, NewProduct, Product, ProductId, Version, create::refuse_repeated_ids,
    error::FieldError, new_product::MOST_FAULTS,
};
use crate::database::Kind;

/// `$1` to `$4` are the columns as arrays. The rows are locked in the order of their ids, so that two arrays can't
/// deadlock; only if all of them are there, they are changed.
const UPDATE_POSTGRESQL: &str = "
WITH locked AS MATERIALIZED (
    SELECT id FROM product WHERE id = ANY($1) ORDER BY id FOR UPDATE
)
UPDATE product SET name = sent.name, price = sent.price, amount = sent.amount, version = version + 1
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS sent (id, name, price, amount)
WHERE product.id = sent.id AND (SELECT count(*) FROM locked) = cardinality($1)
RETURNING product.id, version";

/// `?1` is a JSON array of `[id, name, price, amount]`.
const UPDATE_SQLITE: &str = "
UPDATE product
SET name = sent.value ->> 1, price = sent.value ->> 2, amount = sent.value ->> 3, version = version + 1
FROM json_each(?1) AS sent
WHERE product.id = sent.value ->> 0
    AND (SELECT count(*) FROM json_each(?1) AS one JOIN product AS there ON there.id = one.value ->> 0)
        = json_array_length(?1)
RETURNING product.id, version";

impl Catalog {
    /// Replaces all of these products or none; the answer is in the order given.
    ///
    /// # Errors
    /// [`Error::Invalid`] where one has no id, [`Error::MissingProducts`] naming those that are not there,
    /// [`Error::Duplicate`] for an id given twice, [`Error::VersionRequired`], or the database fails.
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        if self.0.rules.require_version {
            return Err(Error::VersionRequired);
        }
        let without_id = new.iter().filter(|product| product.id.is_none());
        let faults: Vec<_> =
            without_id.take(MOST_FAULTS).map(|product| fault(product, "is missing")).collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        refuse_repeated_ids(&new)?;
        let versions = self.update_all(&new).await?;
        if versions.len() < new.len() {
            return Err(self.missing(&new).await?);
        }
        self.0.feed.changed();
        let products = new.into_iter().map(|new| {
            let NewProduct { at: _, id, name, price, amount } = new;
            let id = id.ok_or(Error::Internal)?;
            let version = *versions.get(&id).ok_or(Error::Internal)?;
            Ok(Product { id, name, price, amount, version })
        });
        products.collect()
    }

    /// Deletes the products that pass the filter and returns how many there were.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a filter without a test, which would delete them all, [`Error::VersionRequired`],
    /// or the database fails.
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        if self.0.rules.require_version {
            return Err(Error::VersionRequired);
        }
        if filter.is_empty() {
            return Err(Error::invalid(
                "id",
                "or another field must be tested, to tell which products to delete",
            ));
        }
        // In the order of their ids, as all others lock them: so nobody waits for one who waits for him.
        let mut doomed = product::Entity::find().select_only().column(product::Column::Id);
        doomed = doomed.filter(filter.condition()).order_by_asc(product::Column::Id);
        if self.0.database.kind() == Kind::PostgreSql {
            doomed = doomed.lock_exclusive();
        }
        let doomed = product::Column::Id.in_subquery(doomed.into_query());
        let deleted = product::Entity::delete_many().filter(doomed);
        let deleted = deleted.exec(self.0.database.writes()).await?.rows_affected;
        self.0.feed.changed();
        Ok(deleted)
    }

    /// The new versions by id; none where a product is not there.
    async fn update_all(&self, new: &[NewProduct]) -> Result<HashMap<ProductId, Version>, DbErr> {
        let database = self.0.database.writes();
        let ids = new.iter().filter_map(|product| product.id.map(ProductId::get));
        let (sql, values): (_, Vec<SqlValue>) = match self.0.database.kind() {
            Kind::PostgreSql => (
                UPDATE_POSTGRESQL,
                vec![
                    ids.collect::<Vec<i64>>().into(),
                    new.iter().map(|p| p.name.as_str().to_owned()).collect::<Vec<String>>().into(),
                    new.iter().map(|p| p.price.ten_thousandths()).collect::<Vec<i64>>().into(),
                    new.iter().map(|p| p.amount.get()).collect::<Vec<i32>>().into(),
                ],
            ),
            Kind::Sqlite => {
                let rows: Vec<_> = ids
                    .zip(new)
                    .map(|(id, p)| (id, p.name.as_str(), p.price.ten_thousandths(), p.amount.get()))
                    .collect();
                let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
                (UPDATE_SQLITE, vec![rows.into()])
            }
        };
        let statement = Statement::from_sql_and_values(database.get_database_backend(), sql, values);
        let rows = database.query_all_raw(statement).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    async fn missing(&self, new: &[NewProduct]) -> Result<Error, Error> {
        let there = self.ids_there(new.iter().filter_map(|product| product.id)).await?;
        let missing = new.iter().filter(|product| product.id.is_some_and(|id| !there.contains(&id.get())));
        let faults: Vec<_> =
            missing.take(MOST_FAULTS).map(|product| fault(product, "is of no product")).collect();
        // All of them: they came just now.
        Ok(if faults.is_empty() { Error::Unavailable } else { Error::MissingProducts(faults) })
    }
}

fn fault(product: &NewProduct, detail: &'static str) -> FieldError {
    FieldError { at: product.at, field: "id", detail: detail.into() }
}

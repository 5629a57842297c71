//! Changes and deletions of many products, all or none in one statement.

use std::collections::HashMap;

use entity::product;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement, Value as SqlValue,
};

use super::{Products, sql};
use crate::{
    database::Kind,
    domain::{
        Error, FieldError, Filter, MAX_FIELD_ERRORS, NewProduct, Product, ProductId, Version,
        reject_duplicate_ids,
    },
};

/// `$1` to `$4` are the ids, names, prices and amounts as arrays. The rows are locked in the order of their
/// ids, so that concurrent updates cannot deadlock. They are changed only if all of them exist.
const UPDATE_POSTGRESQL: &str = "
WITH locked AS MATERIALIZED (
    SELECT id FROM product WHERE id = ANY($1) ORDER BY id FOR UPDATE
)
UPDATE product SET name = sent.name, price = sent.price, amount = sent.amount, version = version + 1
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[]) AS sent (id, name, price, amount)
WHERE product.id = sent.id AND (SELECT count(*) FROM locked) = cardinality($1)
RETURNING product.id, version";

/// `?1` is a JSON array of `[id, name, price, amount]`. The rows are changed only if all of them exist.
const UPDATE_SQLITE: &str = "
UPDATE product
SET name = sent.value ->> 1, price = sent.value ->> 2, amount = sent.value ->> 3, version = version + 1
FROM json_each(?1) AS sent
WHERE product.id = sent.value ->> 0
    AND (SELECT count(*) FROM json_each(?1) AS item JOIN product AS existing ON existing.id = item.value ->> 0)
        = json_array_length(?1)
RETURNING product.id, version";

impl Products {
    /// Replaces all of the products or none, and returns them in the given order.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a product has no id, [`Error::MissingProducts`] if a product does not
    /// exist, [`Error::Duplicate`] if an id is repeated, [`Error::VersionRequired`], or a database error.
    pub async fn replace_many(&self, new: Vec<NewProduct>) -> Result<Vec<Product>, Error> {
        if self.0.options.require_version {
            return Err(Error::VersionRequired);
        }
        let without_id = new.iter().filter(|product| product.id.is_none());
        let errors: Vec<_> =
            without_id.take(MAX_FIELD_ERRORS).map(|product| id_error(product, "is required")).collect();
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        reject_duplicate_ids(&new)?;
        let versions = self.update_all(&new).await?;
        if versions.len() < new.len() {
            return Err(self.missing_products(&new).await?);
        }
        self.0.feed.notify_changed();
        let products = new.into_iter().map(|new| {
            let NewProduct { location: _, id, name, price, amount } = new;
            let id = id.ok_or(Error::Internal)?;
            let version = *versions.get(&id).ok_or(Error::Internal)?;
            Ok(Product { id, name, price, amount, version })
        });
        products.collect()
    }

    /// Deletes the products that match the filter and returns their number.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] for an empty filter, which would delete every product,
    /// [`Error::VersionRequired`], or a database error.
    pub async fn delete_many(&self, filter: &Filter) -> Result<u64, Error> {
        if self.0.options.require_version {
            return Err(Error::VersionRequired);
        }
        if filter.is_empty() {
            return Err(Error::invalid("id", "is required unless another filter is set"));
        }
        // Every statement locks rows in the order of their ids, which prevents deadlocks.
        let mut selected = product::Entity::find().select_only().column(product::Column::Id);
        selected = selected.filter(sql::filter::condition(filter)).order_by_asc(product::Column::Id);
        if self.0.database.kind() == Kind::PostgreSql {
            selected = selected.lock_exclusive();
        }
        let selected = product::Column::Id.in_subquery(selected.into_query());
        let deleted = product::Entity::delete_many().filter(selected);
        let deleted = deleted.exec(self.0.database.writes()).await?.rows_affected;
        self.0.feed.notify_changed();
        Ok(deleted)
    }

    /// Updates all of the products and returns their new versions by id. Returns an empty map if one of the
    /// products does not exist.
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

    /// Returns an error with the products that do not exist.
    async fn missing_products(&self, new: &[NewProduct]) -> Result<Error, Error> {
        let existing = self.existing_ids(new.iter().filter_map(|product| product.id)).await?;
        let missing = new.iter().filter(|product| product.id.is_some_and(|id| !existing.contains(&id.get())));
        let errors: Vec<_> =
            missing.take(MAX_FIELD_ERRORS).map(|product| id_error(product, "does not exist")).collect();
        // Another client may have created the missing products since the update.
        Ok(if errors.is_empty() { Error::Unavailable } else { Error::MissingProducts(errors) })
    }
}

fn id_error(product: &NewProduct, detail: &'static str) -> FieldError {
    FieldError { location: product.location, field: "id", detail: detail.into() }
}

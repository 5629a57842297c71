//! Reads one product, batched with the reads that wait at the same time.

use entity::product;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};

use super::{Catalog, Products, batching::batcher::BatchHandler, rows};
use crate::{
    database::{Connection, Kind},
    domain::{Error, Product, ProductId},
};

/// Selects the products with the ids `$1`. The text is the same for any number of ids, so that each
/// connection prepares it once.
const SELECT_MANY_POSTGRESQL: &str =
    "SELECT id, name, price, amount, version FROM product WHERE id = ANY($1)";

/// Array length that PostgreSQL assumes for a parameter. For shorter arrays, it plans each execution, which
/// takes as long as reading ten products.
const ASSUMED_ARRAY_LEN: usize = 10;

impl Catalog {
    /// Returns one product.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] or a database error.
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        let batch = || GetBatch(self.inner.products.clone());
        self.inner.batches.reads.submit(id, batch).await??.ok_or_else(|| Error::not_found(id))
    }
}

impl Products {
    /// Returns those of the products that exist, in any order. Returns an error on SQLite within a
    /// transaction.
    async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
        let database = self.0.database.reads();
        let mut ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let products = match self.0.database.kind() {
            Kind::PostgreSql => {
                if let Some(last) = ids.last() {
                    // Padding with the last id is harmless, because a repeated id matches its row once.
                    ids.resize(ids.len().max(ASSUMED_ARRAY_LEN), *last);
                }
                let backend = database.get_database_backend();
                let statement = Statement::from_sql_and_values(backend, SELECT_MANY_POSTGRESQL, [ids.into()]);
                rows::read(database, Kind::PostgreSql, statement).await?
            }
            // The result is `None` only within a transaction, and transactions do not batch reads.
            Kind::Sqlite => rows::read_by_ids_sqlite(database, ids).await.ok_or(Error::Internal)??,
        };
        Ok(products)
    }

    pub(super) async fn get_from(&self, connection: &Connection, id: ProductId) -> Result<Product, Error> {
        find(connection, id).await?.ok_or_else(|| Error::not_found(id))
    }
}

async fn find(connection: &Connection, id: ProductId) -> Result<Option<Product>, Error> {
    Ok(product::Entity::find_by_id(id).one(connection).await?)
}

/// Handler of read batches.
#[derive(Clone)]
struct GetBatch(Products);

impl BatchHandler<ProductId, Result<Option<Product>, Error>> for GetBatch {
    async fn handle(&self, mut ids: Vec<ProductId>) -> Vec<Result<Option<Product>, Error>> {
        let Self(catalog) = self;
        let database = catalog.0.database.reads();
        let requested = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut found: Vec<_> = match catalog.get_many(&ids).await {
            Ok(products) => products.into_iter().map(|product| (product.id, Some(product))).collect(),
            // One unreadable row must not fail the other requests.
            Err(Error::Internal) if ids.len() > 1 => {
                return Box::pin(join_all(requested.iter().map(|id| find(database, *id)))).await;
            }
            Err(error) => return requested.iter().map(|_| Err(error.clone())).collect(),
        };
        found.sort_unstable_by_key(|(id, _)| *id);
        let all_distinct = requested.len() == ids.len();
        let result = |id: &ProductId| {
            let index = found.binary_search_by_key(id, |(id, _)| *id).ok()?;
            let (_, product) = &mut found[index];
            if all_distinct { product.take() } else { product.clone() }
        };
        requested.iter().map(result).map(Ok).collect()
    }
}

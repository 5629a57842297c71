//! Reads of one product.

use entity::product;
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, EntityTrait, Statement};

use super::{Catalog, Error, Product, ProductId, batching::batcher::Serve, rows};
use crate::database::{Connection, Kind};

/// One text for any number of ids, so that it is prepared once.
const MANY_POSTGRESQL: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ANY($1)";

/// How many ids PostgreSQL expects in an array that it does not know. For fewer, it makes a plan each time, which takes it
/// as long as to read ten products.
const EXPECTED_POSTGRESQL: usize = 10;

impl Catalog {
    /// Reads one product.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the database fails.
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        let Some(batches) = &self.0.batches else {
            return Box::pin(self.get_from(self.0.database.reads(), id)).await;
        };
        batches.reads.ask(id, || Reader(self.clone())).await??.ok_or_else(|| Error::not_found(id))
    }

    /// Reads those of the products that are there.
    async fn get_many(&self, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
        let database = self.0.database.reads();
        let mut ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        let products = match self.0.database.kind() {
            Kind::PostgreSql => {
                if let Some(last) = ids.last() {
                    // Named again, it is read once.
                    ids.resize(ids.len().max(EXPECTED_POSTGRESQL), *last);
                }
                let backend = database.get_database_backend();
                let statement = Statement::from_sql_and_values(backend, MANY_POSTGRESQL, [ids.into()]);
                rows::read(database, Kind::PostgreSql, statement).await?
            }
            // A transaction reads for one alone.
            Kind::Sqlite => rows::read_directly(database, ids).await.ok_or(Error::Internal)??,
        };
        Ok(products)
    }

    pub(super) async fn get_from(&self, from: &Connection, id: ProductId) -> Result<Product, Error> {
        find(from, id).await?.ok_or_else(|| Error::not_found(id))
    }
}

async fn find(from: &Connection, id: ProductId) -> Result<Option<Product>, Error> {
    Ok(product::Entity::find_by_id(id).one(from).await?)
}

/// Reads for all that wait at the same time.
#[derive(Clone)]
struct Reader(Catalog);

impl Serve<ProductId, Result<Option<Product>, Error>> for Reader {
    async fn serve(&self, mut ids: Vec<ProductId>) -> Vec<Result<Option<Product>, Error>> {
        let Self(catalog) = self;
        let database = catalog.0.database.reads();
        let asked = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut found: Vec<_> = match catalog.get_many(&ids).await {
            Ok(products) => products.into_iter().map(|product| (product.id, Some(product))).collect(),
            // One that can't be read is no reason to keep the others back.
            Err(Error::Internal) if ids.len() > 1 => {
                return Box::pin(join_all(asked.iter().map(|id| find(database, *id)))).await;
            }
            Err(error) => return asked.iter().map(|_| Err(error.clone())).collect(),
        };
        found.sort_unstable_by_key(|(id, _)| *id);
        let is_asked_once = asked.len() == ids.len();
        let answer = |id: &ProductId| {
            let place = found.binary_search_by_key(id, |(id, _)| *id).ok()?;
            let (_, product) = &mut found[place];
            if is_asked_once { product.take() } else { product.clone() }
        };
        asked.iter().map(answer).map(Ok).collect()
    }
}

/// Reads the id of a product that should be there.
///
/// # Errors
/// [`Error::Invalid`] where it is no whole number, [`Error::NotFound`] where it is one that no product can
/// have.
pub fn parse_product_id(text: &str) -> Result<ProductId, Error> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid("id", "must be a whole number"));
    }
    text.parse().map_err(|_| Error::NotFound(text.to_owned()))
}

//! Reads one product, batched with the reads that wait at the same time.

use futures_util::future::join_all;

use super::{Catalog, batching::batcher::BatchHandler};
use crate::{
    domain::{Error, Product, ProductId, ReadFrom},
    store::StoreError,
};

impl Catalog {
    /// Returns one product.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] or a database error.
    pub async fn get(&self, id: ProductId) -> Result<Product, Error> {
        let from = self.read_from().await;
        self.get_from(id, from).await
    }

    /// Returns one product as [`Catalog::get`], from a given server.
    pub(super) async fn get_from(&self, id: ProductId, from: ReadFrom) -> Result<Product, Error> {
        let batch = || GetBatch { catalog: self.clone(), from };
        let [primary, primary_or_replica, replica] = &self.inner.batches.reads;
        let batcher = match from {
            ReadFrom::Primary => primary,
            ReadFrom::PrimaryOrReplica => primary_or_replica,
            ReadFrom::Replica => replica,
        };
        batcher.submit(id, batch).await??.ok_or_else(|| Error::not_found(id))
    }

    async fn get_alone(&self, id: ProductId, from: ReadFrom) -> Result<Option<Product>, Error> {
        Ok(self.store().get_many(&[id], from).await?.pop())
    }
}

/// Handler of read batches.
#[derive(Clone)]
struct GetBatch {
    catalog: Catalog,
    from: ReadFrom,
}

impl BatchHandler<ProductId, Result<Option<Product>, Error>> for GetBatch {
    async fn handle(&self, mut ids: Vec<ProductId>) -> Vec<Result<Option<Product>, Error>> {
        let Self { catalog, from } = self;
        let requested = ids.clone();
        ids.sort_unstable();
        ids.dedup();
        let mut found: Vec<_> = match catalog.store().get_many(&ids, *from).await {
            Ok(products) => products.into_iter().map(|product| (product.id, Some(product))).collect(),
            // One unreadable row must not fail the other requests.
            Err(StoreError::InvalidData(_)) if ids.len() > 1 => {
                return Box::pin(join_all(requested.iter().map(|id| catalog.get_alone(*id, *from)))).await;
            }
            Err(error) => {
                let error = Error::from(error);
                return requested.iter().map(|_| Err(error.clone())).collect();
            }
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

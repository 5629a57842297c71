//! Batched changes of single products.

use super::batcher::BatchHandler;
use crate::{
    catalog::Catalog,
    domain::{Error, ProductWrite},
    store::{RowWait, StoreError, WriteOutcome},
};

/// Handler of batches of changes.
#[derive(Clone)]
pub(in crate::catalog) struct WriteBatch {
    pub catalog: Catalog,
    pub wait: RowWait,
}

impl BatchHandler<ProductWrite, Result<WriteOutcome, Error>> for WriteBatch {
    async fn handle(&self, writes: Vec<ProductWrite>) -> Vec<Result<WriteOutcome, Error>> {
        let Self { catalog, wait } = self;
        let alone = if writes.len() > 1 { writes.clone() } else { Vec::new() };
        let count = writes.len();
        match catalog.store().write_each(writes, *wait).await {
            Ok(outcomes) => {
                catalog.inner.feed.notify_changed();
                outcomes.into_iter().map(Ok).collect()
            }
            // Usually one change is the cause. The others must not fail with it. Changes of a locked row have the
            // same cause, and would wait again one after the other.
            Err(error) if error.is_rejection() && count > 1 && *wait == RowWait::Skip => {
                self.write_alone(alone).await
            }
            Err(error) => {
                let error = Error::from(error);
                (0..count).map(|_| Err(error.clone())).collect()
            }
        }
    }
}

impl WriteBatch {
    async fn write_alone(&self, writes: Vec<ProductWrite>) -> Vec<Result<WriteOutcome, Error>> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            let result: Result<_, StoreError> = self.catalog.store().write_each(vec![write], self.wait).await;
            outcomes.push(match result.map(|mut outcomes| outcomes.pop()) {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => Err(Error::Internal),
                Err(error) => Err(error.into()),
            });
        }
        self.catalog.inner.feed.notify_changed();
        outcomes
    }
}

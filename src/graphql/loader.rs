//! Point reads of one request, as one query: fields that are resolved at the same time wait for each other.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::oneshot;

use crate::catalog::{Catalog, Error, Product, ProductId};

type Answer = Result<Option<Product>, Error>;

/// Collects what the fields of one request ask for.
pub struct Loader {
    catalog: Catalog,
    waiting: Mutex<Vec<(ProductId, oneshot::Sender<Answer>)>>,
}

impl Loader {
    /// For one request.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, waiting: Mutex::default() }
    }

    /// Reads one product; none where it is not there.
    pub async fn product(&self, id: ProductId) -> Answer {
        let (sender, receiver) = oneshot::channel();
        if self.wait(id, sender) {
            // The other fields come to this point before we go on.
            tokio::task::yield_now().await;
            self.load().await;
        }
        receiver.await.unwrap_or(Err(Error::Internal))
    }

    /// Joins those who wait; whoever is the first has to load for all.
    fn wait(&self, id: ProductId, sender: oneshot::Sender<Answer>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((id, sender));
        waiting.len() == 1
    }

    async fn load(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ids: Vec<ProductId> = waiting.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = match ids.as_slice() {
            [id] => match self.catalog.get(*id).await {
                Ok(product) => Ok(vec![product]),
                Err(Error::NotFound(_)) => Ok(Vec::new()),
                Err(error) => Err(error),
            },
            _ => self.catalog.get_many(ids).await,
        };
        let found = found.map(|products| {
            products.into_iter().map(|product| (product.id, product)).collect::<HashMap<_, _>>()
        });
        for (id, sender) in waiting {
            let answer = match &found {
                Ok(products) => Ok(products.get(&id).cloned()),
                // The cause has been logged; each field reports the same.
                Err(Error::Unavailable) => Err(Error::Unavailable),
                Err(_) => Err(Error::Internal),
            };
            // Nobody waits any more where the request was dropped.
            drop(sender.send(answer));
        }
    }
}

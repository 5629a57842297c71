//! Creates for all that wait at the same time (see `batch`), each as if it were alone.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use futures_util::future::join_all;
use sea_orm::DbErr;

use super::batcher::Serve;
use crate::{
    catalog::{
        Catalog, Error, NewProduct, Product, Version,
        create::{id_fault, put_together},
        error::is_refusal,
        insert::{Conflict, For, Stored},
        precondition,
    },
    database::is_unique_violation,
};

/// What became of a question; or the question itself, which its request has to serve alone: to do that for it here would
/// keep the others waiting.
pub(in crate::catalog) type OrAlone<Q, A> = Result<Result<A, Error>, Q>;

/// Creates for all that wait at the same time, each as if it were alone.
#[derive(Clone)]
pub(in crate::catalog) struct Creator(pub Catalog);

/// All of all arrays, in one statement; where one of them can't be created, the others go on alone.
impl Serve<Vec<NewProduct>, OrAlone<Vec<NewProduct>, Vec<Product>>> for Creator {
    async fn serve(&self, arrays: Vec<Vec<NewProduct>>) -> Vec<OrAlone<Vec<NewProduct>, Vec<Product>>> {
        let Self(catalog) = self;
        let lengths: Vec<usize> = arrays.iter().map(Vec::len).collect();
        // Not flattened: that could not tell how much room all of them take.
        let mut new = Vec::with_capacity(lengths.iter().sum());
        for array in arrays {
            new.extend(array);
        }
        let new = Arc::new(new);
        let version = precondition::fresh();
        let products = match catalog.try_store(&new, version, Conflict::Fail, For::Many).await {
            Ok(Some(stored)) => {
                catalog.0.feed.changed();
                put_together(Arc::unwrap_or_clone(new), stored.generated, version)
            }
            Err(error) if !is_refusal(&error) => Err(error.into()),
            refused => {
                let is_taken = refused.is_err_and(|error| is_unique_violation(&error));
                let answer = async |array: Vec<NewProduct>| match catalog.taken(&array).await {
                    Ok(taken) if !taken.is_empty() => Ok(Err(Error::Duplicate(taken))),
                    _ => Err(array),
                };
                let arrays = split(Arc::unwrap_or_clone(new), &lengths);
                return if is_taken { join_all(arrays.map(answer)).await } else { arrays.map(Err).collect() };
            }
        };
        match products {
            Ok(products) => split(products, &lengths).map(|products| Ok(Ok(products))).collect(),
            Err(error) => lengths.iter().map(|_| Ok(Err(error.clone()))).collect(),
        }
    }
}

impl Serve<NewProduct, OrAlone<NewProduct, Product>> for Creator {
    async fn serve(&self, new: Vec<NewProduct>) -> Vec<OrAlone<NewProduct, Product>> {
        let Self(catalog) = self;
        // Of several with the same id, the first gets it, unless each goes on alone.
        let mut ids = HashSet::new();
        let (first, again): (Vec<_>, Vec<_>) =
            new.into_iter().enumerate().partition(|(_, new)| new.id.is_none_or(|id| ids.insert(id)));
        let (places, first): (Vec<usize>, Vec<NewProduct>) = first.into_iter().unzip();
        let chosen: Vec<_> = first.iter().map(|new| new.id).collect();
        let mut answers: Vec<_> = places.into_iter().zip(catalog.create_each(first).await).collect();
        for (place, new) in again {
            let first = chosen.iter().position(|id| *id == new.id).map(|first| &answers[first].1);
            let answer = match (new.id, first) {
                (Some(id), Some(Ok(Ok(_) | Err(Error::Duplicate(_))))) => {
                    Ok(Err(Error::Duplicate(vec![id_fault(new.at, id)])))
                }
                (_, Some(Ok(Err(error)))) => Ok(Err(error.clone())),
                _ => Err(new),
            };
            answers.push((place, answer));
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// Whether ids were taken of late. As a rule all of many are free, and a database that looks at each first takes longer.
#[derive(Debug, Default)]
pub(in crate::catalog) struct TakenOfLate(AtomicU8);

impl TakenOfLate {
    /// So many statements expect a taken id after one that has met it.
    const STATEMENTS: u8 = 100;

    fn is_expected(&self) -> bool {
        let left = |left: u8| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
    }

    fn met(&self) {
        self.0.store(Self::STATEMENTS, Ordering::Relaxed);
    }
}

impl Catalog {
    /// Creates those of them whose ids are free, in one statement; no id is named twice.
    async fn create_each(&self, new: Vec<NewProduct>) -> Vec<OrAlone<NewProduct, Product>> {
        let (new, version) = (Arc::new(new), precondition::fresh());
        let Stored { generated, chosen } = match self.try_store_free(&new, version).await {
            Ok(Some(stored)) => stored,
            Err(error) if !is_refusal(&error) => {
                let error = Error::from(error);
                return new.iter().map(|_| Ok(Err(error.clone()))).collect();
            }
            // One is to blame: it waits for somebody else's transaction, no id is left to generate, or somebody used one
            // past the server.
            _ => return Arc::unwrap_or_clone(new).into_iter().map(Err).collect(),
        };
        self.0.feed.changed();
        let refusal = |new: &NewProduct| {
            let id = new.id.filter(|id| chosen.as_ref().is_some_and(|chosen| !chosen.contains(&id.get())))?;
            Some(Error::Duplicate(vec![id_fault(new.at, id)]))
        };
        let refusals: Vec<_> = new.iter().map(refusal).collect();
        let mut new = Arc::unwrap_or_clone(new);
        let mut refused = refusals.iter().map(Option::is_some);
        new.retain(|_| refused.next() != Some(true));
        let products = put_together(new, generated, version).unwrap_or_else(|error| {
            tracing::error!(%error, "products were stored under ids that nobody asked for");
            Vec::new()
        });
        let mut products = products.into_iter();
        let answer = |refusal: Option<Error>| match refusal {
            Some(refusal) => Ok(Err(refusal)),
            None => Ok(products.next().ok_or(Error::Internal)),
        };
        refusals.into_iter().map(answer).collect()
    }

    /// Stores those of the products whose ids are free, for many; `None` where no more ids can be generated.
    async fn try_store_free(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
    ) -> Result<Option<Stored>, DbErr> {
        if !self.0.taken_of_late.is_expected() {
            match self.try_store(new, version, Conflict::Fail, For::Many).await {
                Err(error) if is_unique_violation(&error) => self.0.taken_of_late.met(),
                stored => return stored,
            }
        }
        self.try_store(new, version, Conflict::Skip, For::Many).await
    }
}

/// Parts of these lengths, one after the other.
fn split<T>(items: Vec<T>, lengths: &[usize]) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    lengths.iter().map(move |length| items.by_ref().take(*length).collect())
}

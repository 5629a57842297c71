//! Creates products: any number, all or none.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entity::product;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Catalog, Error, Location, NewProduct, Product, ProductId, Version,
    batching::create_batch::Creator,
    error::FieldError,
    insert::{Conflict, For, Stored},
    new_product::MOST_FAULTS,
    precondition::{self, MAX_ATTEMPTS},
};
use crate::database::is_unique_violation;

/// Ids asked for in one statement: well below the databases' limits on parameters.
const IDS_PER_QUERY: usize = 10_000;

/// What to do with a product whose id is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing is stored.
    #[default]
    Reject,
    /// It takes the place of the one that is there.
    Replace,
}

impl Catalog {
    /// Creates one product, or with [`OnConflict::Replace`] puts it in the place of the one with its id.
    ///
    /// # Errors
    /// [`Error::Duplicate`], [`Error::IdsExhausted`], [`Error::VersionRequired`] for a replacement, or the
    /// database fails.
    pub async fn create(&self, new: NewProduct, taken: OnConflict) -> Result<Product, Error> {
        match &self.0.batches {
            Some(batches) if taken == OnConflict::Reject => {
                match batches.creates.ask(new, || Creator(self.clone())).await? {
                    Ok(answer) => answer,
                    Err(new) => Box::pin(self.create_alone(new, taken)).await,
                }
            }
            _ => Box::pin(self.create_alone(new, taken)).await,
        }
    }

    async fn create_alone(&self, new: NewProduct, taken: OnConflict) -> Result<Product, Error> {
        let mut created = self.insert(vec![new], taken).await?;
        created.pop().ok_or(Error::Internal)
    }

    /// Creates all of them or none; the answer is in the order given.
    ///
    /// # Errors
    /// As [`Catalog::create`]; [`Error::Duplicate`] names each product whose id is taken, or given twice.
    pub async fn create_many(&self, new: Vec<NewProduct>, taken: OnConflict) -> Result<Vec<Product>, Error> {
        refuse_repeated_ids(&new)?;
        match &self.0.batches {
            Some(batches) if taken == OnConflict::Reject && !new.is_empty() => {
                match batches.arrays.ask(new, || Creator(self.clone())).await? {
                    Ok(answer) => answer,
                    Err(new) => self.insert(new, taken).await,
                }
            }
            _ => self.insert(new, taken).await,
        }
    }

    async fn insert(&self, new: Vec<NewProduct>, taken: OnConflict) -> Result<Vec<Product>, Error> {
        let conflict = match taken {
            OnConflict::Reject => Conflict::Fail,
            OnConflict::Replace => Conflict::Replace,
        };
        self.may_replace(taken)?;
        let (new, version) = (Arc::new(new), precondition::fresh());
        let stored = self.store(&new, version, conflict).await?;
        self.0.feed.changed();
        put_together(Arc::unwrap_or_clone(new), stored.generated, version)
    }

    /// Who replaces can't tell which version he means.
    pub(super) fn may_replace(&self, taken: OnConflict) -> Result<(), Error> {
        if taken == OnConflict::Replace && self.0.rules.require_version {
            Err(Error::VersionRequired)
        } else {
            Ok(())
        }
    }

    /// Stores the products, all or none.
    pub(super) async fn store(
        &self,
        new: &Arc<Vec<NewProduct>>,
        version: Version,
        conflict: Conflict,
    ) -> Result<Stored, Error> {
        if new.is_empty() {
            return Ok(Stored::default());
        }
        for _ in 0..MAX_ATTEMPTS {
            let error = match self.try_store(new, version, conflict, For::One).await {
                Ok(stored) => return stored.ok_or(Error::IdsExhausted),
                Err(error) => error,
            };
            if !is_unique_violation(&error) {
                return Err(error.into());
            }
            if conflict == Conflict::Fail {
                let taken = self.taken(new).await?;
                if !taken.is_empty() {
                    return Err(Error::Duplicate(taken));
                }
            }
            // None of the ids sent is taken any more, or a generated one was, by somebody who stored it past the server.
            self.catch_up().await?;
        }
        tracing::warn!("ids were taken {MAX_ATTEMPTS} times in a row");
        Err(Error::Unavailable)
    }

    /// The products whose id is in the database, as faults.
    pub(super) async fn taken(&self, new: &[NewProduct]) -> Result<Vec<FieldError>, DbErr> {
        let there = self.ids_there(new.iter().filter_map(|product| product.id)).await?;
        let sent = new.iter().filter_map(|product| Some((product.at, product.id?)));
        let taken = sent.filter(|(_, id)| there.contains(&id.get()));
        Ok(taken.take(MOST_FAULTS).map(|(at, id)| id_fault(at, id)).collect())
    }

    /// Those of the ids that products have.
    pub(super) async fn ids_there(
        &self,
        ids: impl Iterator<Item = ProductId>,
    ) -> Result<HashSet<i64>, DbErr> {
        let ids: Vec<ProductId> = ids.collect();
        let mut there = HashSet::new();
        for part in ids.chunks(IDS_PER_QUERY) {
            let query = product::Entity::find().select_only().column(product::Column::Id);
            let query = query.filter(product::COLUMN.id.is_in(part.iter().copied()));
            there.extend(query.into_tuple::<i64>().all(self.0.database.writes()).await?);
        }
        Ok(there)
    }
}

/// An id that is taken.
pub(super) fn id_fault(at: Location, id: ProductId) -> FieldError {
    FieldError { at, field: "id", detail: format!("{id} is taken").into() }
}

/// Two products of one array with the same id.
pub(super) fn refuse_repeated_ids(new: &[NewProduct]) -> Result<(), Error> {
    let mut ids: Vec<ProductId> = new.iter().filter_map(|product| product.id).collect();
    ids.sort_unstable();
    if ids.is_sorted_by(|one, next| one < next) {
        return Ok(());
    }
    let mut places = HashMap::new();
    let mut faults = Vec::new();
    for (at, id) in new.iter().filter_map(|product| Some((product.at, product.id?))) {
        if let Some(first) = places.insert(id, at) {
            let detail = format!("{id} is the id of {first} too").into();
            faults.push(FieldError { at, field: "id", detail });
        }
    }
    faults.truncate(MOST_FAULTS);
    Err(Error::Duplicate(faults))
}

/// The products as stored. Generated ids rise in the order of the products without one.
pub(super) fn put_together(
    new: Vec<NewProduct>,
    mut generated: Vec<i64>,
    version: Version,
) -> Result<Vec<Product>, Error> {
    generated.sort_unstable();
    let mut generated = generated.into_iter();
    let products = new.into_iter().map(|new| {
        let NewProduct { at: _, id, name, price, amount } = new;
        // The table's check keeps ids in range.
        let generate = || generated.next().and_then(|id| ProductId::try_from(id).ok());
        let id = id.or_else(generate).ok_or(Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}

//! Imports: any number of products with flat memory, all or none.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{
    Catalog, Error, NewProduct, OnConflict, Version,
    create::{id_fault, refuse_repeated_ids},
    insert::Conflict,
    new_product::MOST_FAULTS,
    precondition,
};

impl Catalog {
    /// Stores the products of all batches or none of them, and returns how many there were.
    ///
    /// The batches are asked for on a thread that may block. Other writers of the same ids, and on SQLite all
    /// others, wait until the last batch is in.
    ///
    /// # Errors
    /// An error of the batches, [`Error::Duplicate`] that names where the ids are which are taken or given
    /// twice, [`Error::IdsExhausted`], [`Error::VersionRequired`] for replacements, or the database fails.
    pub async fn import<B, E>(&self, batches: B, taken: OnConflict) -> Result<u64, E>
    where
        B: Iterator<Item = Result<Vec<NewProduct>, E>> + Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.may_replace(taken)?;
        let version = precondition::fresh();
        self.atomically(async move |catalog| {
            catalog.catch_up().await.map_err(Error::from)?;
            let mut reading = spawn_blocking(move || next(batches));
            let mut count = 0;
            loop {
                let (batch, batches) = reading.await.map_err(|_| Error::Internal)?;
                let Some(batch) = batch.transpose()? else {
                    return Ok(count);
                };
                // The next one is read while this one is stored.
                reading = spawn_blocking(move || next(batches));
                count += batch.len() as u64;
                catalog.store_batch(batch, version, taken).await?;
            }
        })
        .await
    }

    /// Ids that an earlier batch has stored are taken too, by products of the same version.
    async fn store_batch(
        &self,
        batch: Vec<NewProduct>,
        version: Version,
        taken: OnConflict,
    ) -> Result<(), Error> {
        refuse_repeated_ids(&batch)?;
        let batch = Arc::new(batch);
        let conflict = match taken {
            OnConflict::Reject => Conflict::Skip,
            OnConflict::Replace => Conflict::Replace,
        };
        let Some(stored) = self.store(&batch, version, conflict).await?.chosen else {
            return Ok(());
        };
        let sent = batch.iter().filter_map(|product| Some((product.at, product.id?)));
        let taken = sent.filter(|(_, id)| !stored.contains(&id.get()));
        Err(Error::Duplicate(taken.take(MOST_FAULTS).map(|(at, id)| id_fault(at, id)).collect()))
    }
}

fn next<B: Iterator>(mut batches: B) -> (Option<B::Item>, B) {
    (batches.next(), batches)
}

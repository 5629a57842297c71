//! Changes of single products, many in one transaction.
//!
//! The rows are locked and read by one statement. The rules are applied to them in the server, and further
//! statements store the results. Several changes of one product therefore need only one locked row.

use std::{collections::BTreeMap, mem};

use sea_orm::{Statement, Value};

use super::{BACKEND, connection::Connection, products, rows};
use crate::{
    domain::{Product, ProductId, ProductWrite, WriteAction, WriteEffect},
    store::{RowWait, StoreError, WriteOutcome},
};

/// Locks the products with the ids `$1` in the order of their ids, which prevents deadlocks.
const LOCK: &str =
    "SELECT id, name, price, amount, version FROM product WHERE id = ANY($1) ORDER BY id FOR UPDATE";

/// Also skips the rows that other transactions have locked.
const LOCK_OR_SKIP: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ANY($1) ORDER BY id FOR UPDATE SKIP LOCKED";

/// `$1` to `$5` are the values of the columns as arrays.
const UPDATE: &str = "
UPDATE product SET name = sent.name, price = sent.price, amount = sent.amount, version = sent.version
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::integer[], $5::bigint[])
    AS sent (id, name, price, amount, version)
WHERE product.id = sent.id";

/// Updates only the amounts. `$1` to `$3` are the ids, amounts and versions as arrays.
const UPDATE_AMOUNTS: &str = "
UPDATE product SET amount = sent.amount, version = sent.version
FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS sent (id, amount, version)
WHERE product.id = sent.id";

const DELETE: &str = "DELETE FROM product WHERE id = ANY($1)";

/// Carries out the changes in the order given, in the current transaction.
pub(super) async fn write_each(
    connection: &mut Connection,
    writes: Vec<ProductWrite>,
    wait: RowWait,
) -> Result<Vec<WriteOutcome>, StoreError> {
    let mut ids: Vec<ProductId> = writes.iter().map(|write| write.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut stored = lock(connection, &ids, wait).await?;
    let locked = locked_by_others(connection, &ids, &stored, wait).await?;
    let mut round = Round::default();
    let mut outcomes = Vec::with_capacity(writes.len());
    for write in writes {
        if locked.binary_search(&write.id).is_ok() {
            outcomes.push(WriteOutcome::Locked(write));
            continue;
        }
        let effect = match write.apply(stored.get(&write.id)) {
            Ok(effect) => effect,
            Err(error) => {
                outcomes.push(WriteOutcome::Done(Err(error)));
                continue;
            }
        };
        if !round.accepts(&write, &effect) {
            mem::take(&mut round).store(connection).await?;
        }
        match &effect {
            WriteEffect::Unchanged(_) => {}
            WriteEffect::Stored(product) => drop(stored.insert(write.id, product.clone())),
            WriteEffect::Deleted(_) => drop(stored.remove(&write.id)),
        }
        round.add(&write, &effect);
        outcomes.push(WriteOutcome::Done(Ok(effect.into_product())));
    }
    round.store(connection).await?;
    Ok(outcomes)
}

/// Locks the rows and returns their products.
async fn lock(
    connection: &mut Connection,
    ids: &[ProductId],
    wait: RowWait,
) -> Result<BTreeMap<ProductId, Product>, StoreError> {
    let sql = match wait {
        RowWait::Skip => LOCK_OR_SKIP,
        RowWait::Wait => LOCK,
    };
    let statement = Statement::from_sql_and_values(BACKEND, sql, [products::columns(ids).into()]);
    let products = rows::products(&connection.query(statement).await?)?;
    Ok(products.into_iter().map(|product| (product.id, product)).collect())
}

/// Returns those of the ids, sorted, whose rows exist but were skipped.
async fn locked_by_others(
    connection: &mut Connection,
    ids: &[ProductId],
    found: &BTreeMap<ProductId, Product>,
    wait: RowWait,
) -> Result<Vec<ProductId>, StoreError> {
    if wait == RowWait::Wait || found.len() == ids.len() {
        return Ok(Vec::new());
    }
    let missing: Vec<ProductId> = ids.iter().filter(|id| !found.contains_key(id)).copied().collect();
    let mut locked = products::existing_ids(connection, &missing).await?;
    locked.sort_unstable();
    Ok(locked)
}

/// Changes that are stored together. A product is in a round more than once only if all of its changes are
/// stock adjustments, so that the triggers log each change with its kind (see the migration).
#[derive(Default)]
struct Round {
    changed: BTreeMap<ProductId, RoundChange>,
}

struct RoundChange {
    effect: WriteEffect,
    is_adjustment: bool,
}

impl Round {
    fn accepts(&self, write: &ProductWrite, effect: &WriteEffect) -> bool {
        let is_adjustment = is_adjustment(write);
        matches!(effect, WriteEffect::Unchanged(_))
            || self.changed.get(&write.id).is_none_or(|earlier| earlier.is_adjustment && is_adjustment)
    }

    fn add(&mut self, write: &ProductWrite, effect: &WriteEffect) {
        if !matches!(effect, WriteEffect::Unchanged(_)) {
            let change = RoundChange { effect: effect.clone(), is_adjustment: is_adjustment(write) };
            self.changed.insert(write.id, change);
        }
    }

    async fn store(self, connection: &mut Connection) -> Result<(), StoreError> {
        let (mut updated, mut adjusted, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for (id, RoundChange { effect, is_adjustment }) in self.changed {
            match effect {
                WriteEffect::Stored(product) if is_adjustment => adjusted.push(product),
                WriteEffect::Stored(product) => updated.push(product),
                WriteEffect::Deleted(_) => deleted.push(id),
                WriteEffect::Unchanged(_) => {}
            }
        }
        store(connection, UPDATE_AMOUNTS, adjusted.len(), || {
            vec![ids(&adjusted), amounts(&adjusted), versions(&adjusted)]
        })
        .await?;
        store(connection, UPDATE, updated.len(), || {
            let names: Vec<String> = updated.iter().map(|product| product.name.as_str().to_owned()).collect();
            let prices: Vec<i64> = updated.iter().map(|product| product.price.ten_thousandths()).collect();
            vec![ids(&updated), names.into(), prices.into(), amounts(&updated), versions(&updated)]
        })
        .await?;
        store(connection, DELETE, deleted.len(), || vec![products::columns(&deleted).into()]).await
    }
}

/// Returns whether the change is logged as a stock adjustment. An adjustment by 0 changes only the version.
fn is_adjustment(write: &ProductWrite) -> bool {
    matches!(write.action, WriteAction::AdjustStock(delta) if delta.get() != 0)
}

fn ids(products: &[Product]) -> Value {
    products.iter().map(|product| product.id.get()).collect::<Vec<i64>>().into()
}

fn amounts(products: &[Product]) -> Value {
    products.iter().map(|product| product.amount.get()).collect::<Vec<i32>>().into()
}

fn versions(products: &[Product]) -> Value {
    products.iter().map(|product| product.version.get()).collect::<Vec<i64>>().into()
}

/// Runs a statement that must affect exactly `count` rows, unless the count is 0.
async fn store(
    connection: &mut Connection,
    sql: &str,
    count: usize,
    values: impl FnOnce() -> Vec<Value>,
) -> Result<(), StoreError> {
    if count == 0 {
        return Ok(());
    }
    let affected = connection.execute(Statement::from_sql_and_values(BACKEND, sql, values())).await?;
    if affected == count as u64 {
        return Ok(());
    }
    Err(StoreError::InvalidData("a trigger of another program has skipped a row".into()))
}

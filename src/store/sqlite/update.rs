//! Changes of existing products.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, params};
use sea_orm::{DbBackend, Statement};

use super::{values, write_transaction::WriteTransaction};
use crate::{
    domain::{ChangeKind, Error, NewProduct, Product, ProductId, ProductWrite, Version, WriteEffect},
    store::StoreError,
};

pub(super) const SELECT_ID: &str = "SELECT id FROM product WHERE id = ?";

pub(super) const SELECT_ONE: &str = "SELECT id, name, price, amount, version FROM product WHERE id = ?";
pub(super) const UPDATE: &str =
    "UPDATE product SET name = ?, price = ?, amount = ?, version = ? WHERE id = ?";
const UPDATE_AMOUNT: &str = "UPDATE product SET amount = ?, version = ? WHERE id = ?";
const DELETE: &str = "DELETE FROM product WHERE id = ?";

/// Returns a product, or `None` if it does not exist.
pub(super) fn find(connection: &Connection, id: ProductId) -> Result<Option<Product>> {
    connection.prepare_cached(SELECT_ONE)?.query_row([id.get()], values::product).optional()
}

/// Returns those of the products that exist.
pub(super) fn find_many(connection: &Connection, ids: &[ProductId]) -> Result<Vec<Product>> {
    let mut select = connection.prepare_cached(SELECT_ONE)?;
    let found = ids.iter().map(|id| select.query_row([id.get()], values::product).optional());
    found.filter_map(Result::transpose).collect()
}

/// Carries out a change of one product.
pub(super) fn write(
    transaction: &mut WriteTransaction<'_>,
    write: &ProductWrite,
) -> Result<Result<Product, Error>> {
    let before = match find(transaction.connection, write.id) {
        Ok(before) => before,
        // One unreadable row must not fail the other writes.
        Err(rusqlite::Error::FromSqlConversionFailure(_, _, error)) => {
            return Ok(Err(StoreError::InvalidData(error).into()));
        }
        Err(error) => return Err(error),
    };
    let effect = match write.apply(before.as_ref()) {
        Ok(effect) => effect,
        Err(error) => return Ok(Err(error)),
    };
    match (&effect, &before) {
        (WriteEffect::Stored(product), Some(before)) => store(transaction, before, product)?,
        (WriteEffect::Deleted(product), _) => {
            expect_one(transaction.connection.prepare_cached(DELETE)?.execute([product.id.get()])?)?;
            transaction.log(ChangeKind::Deleted, product.id, product.version);
        }
        _ => {}
    }
    Ok(Ok(effect.into_product()))
}

/// Stores the new values of a product, and logs the change.
pub(super) fn store(transaction: &mut WriteTransaction<'_>, before: &Product, after: &Product) -> Result<()> {
    let Product { id, name, price, amount, version } = after;
    let is_same = *name == before.name && *price == before.price;
    let changed = if is_same {
        let mut update = transaction.connection.prepare_cached(UPDATE_AMOUNT)?;
        update.execute([i64::from(amount.get()), version.get(), id.get()])?
    } else {
        let mut update = transaction.connection.prepare_cached(UPDATE)?;
        update.execute(params![
            name.as_str(),
            price.ten_thousandths(),
            amount.get(),
            version.get(),
            id.get()
        ])?
    };
    expect_one(changed)?;
    let is_adjusted = is_same && *amount != before.amount;
    let kind = if is_adjusted { ChangeKind::StockAdjusted } else { ChangeKind::Updated };
    transaction.log(kind, *id, *version);
    Ok(())
}

/// Returns an error if a trigger of another program has skipped the row.
fn expect_one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Replaces all of the products and returns their new versions. Changes nothing and returns an empty map if
/// one of them does not exist.
pub(super) fn replace_many(
    transaction: &mut WriteTransaction<'_>,
    products: &[NewProduct],
) -> Result<HashMap<ProductId, Version>> {
    let mut replaced = Vec::with_capacity(products.len());
    for NewProduct { location: _, id, name, price, amount } in products {
        let before = match id {
            Some(id) => find(transaction.connection, *id)?,
            None => None,
        };
        let Some(before) = before else {
            return Ok(HashMap::new());
        };
        let version = before.version.next();
        let after = Product { id: before.id, name: name.clone(), price: *price, amount: *amount, version };
        replaced.push((before, after));
    }
    for (before, after) in &replaced {
        store(transaction, before, after)?;
    }
    Ok(replaced.into_iter().map(|(_, after)| (after.id, after.version)).collect())
}

/// Deletes the rows that a statement of [`sql::delete_many`](crate::store::sql::delete_many) selects, and
/// returns their number.
pub(super) fn delete_many(transaction: &mut WriteTransaction<'_>, delete: &Statement) -> Result<u64> {
    debug_assert_eq!(delete.db_backend, DbBackend::Sqlite);
    let deleted = values::rows(transaction.connection, delete, |row| <(i64, i64)>::try_from(row))?;
    for (id, version) in &deleted {
        if let Ok(id) = ProductId::try_from(*id) {
            transaction.log(ChangeKind::Deleted, id, Version::from(*version));
        }
    }
    Ok(deleted.len() as u64)
}

/// Returns those of the ids that belong to existing products.
pub(super) fn existing_ids(connection: &Connection, ids: &[ProductId]) -> rusqlite::Result<Vec<ProductId>> {
    let mut exists = connection.prepare_cached(SELECT_ID)?;
    let mut existing = Vec::new();
    for id in ids {
        if exists.exists([id.get()])? {
            existing.push(*id);
        }
    }
    Ok(existing)
}

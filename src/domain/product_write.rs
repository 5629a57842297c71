//! Changes of one product, and the rules that decide their outcome.

use entity::{Amount, ProductId, Version};

use super::{Error, Precondition, Product, ProductChange, StockAdjustment};

/// A change of one existing product.
#[derive(Clone, Debug)]
pub struct ProductWrite {
    pub(crate) id: ProductId,
    pub(crate) action: WriteAction,
    pub(crate) precondition: Precondition,
}

/// Kind of a [`ProductWrite`].
#[derive(Clone, Debug)]
pub enum WriteAction {
    Update(ProductChange),
    AdjustStock(StockAdjustment),
    Delete,
}

/// Effect of a [`ProductWrite`] on the stored product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteEffect {
    /// The change has no fields, so the product and its version stay the same.
    Unchanged(Product),
    /// The product is stored with these values and a new version.
    Stored(Product),
    /// The product is deleted. Holds its last state.
    Deleted(Product),
}

impl WriteEffect {
    /// Returns the product after the change, or its last state if it is deleted.
    pub fn into_product(self) -> Product {
        match self {
            Self::Unchanged(product) | Self::Stored(product) | Self::Deleted(product) => product,
        }
    }
}

impl ProductWrite {
    /// Returns the effect on the stored product; `stored` is `None` if no such product exists.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::InsufficientStock`] or
    /// [`Error::TooMuchStock`].
    pub fn apply(&self, stored: Option<&Product>) -> Result<WriteEffect, Error> {
        let stored = stored.ok_or_else(|| Error::not_found(self.id))?;
        if !self.precondition.matches(stored.version) {
            return Err(Error::VersionMismatch(stored.version));
        }
        let mut product = stored.clone();
        match &self.action {
            WriteAction::Delete => return Ok(WriteEffect::Deleted(product)),
            WriteAction::Update(ProductChange { name: None, price: None, amount: None }) => {
                return Ok(WriteEffect::Unchanged(product));
            }
            WriteAction::Update(change) => {
                if let Some(name) = &change.name {
                    product.name.clone_from(name);
                }
                product.price = change.price.unwrap_or(product.price);
                product.amount = change.amount.unwrap_or(product.amount);
            }
            WriteAction::AdjustStock(delta) => product.amount = adjusted(product.amount, *delta)?,
        }
        product.version = product.version.next();
        Ok(WriteEffect::Stored(product))
    }
}

fn adjusted(amount: Amount, delta: StockAdjustment) -> Result<Amount, Error> {
    let adjusted = i64::from(amount.get()) + i64::from(delta.get());
    match i32::try_from(adjusted).map(Amount::try_from) {
        Ok(Ok(adjusted)) => Ok(adjusted),
        _ if adjusted < 0 => Err(Error::InsufficientStock(amount)),
        _ => Err(Error::TooMuchStock(amount)),
    }
}

/// Returns a random version for a new product. A product that is deleted and created again must not repeat a
/// version.
pub(crate) fn new_version() -> Version {
    Version::first(uuid::Uuid::new_v4().as_u64_pair().0)
}

//! A validated change of an existing product.

use entity::{Amount, Name, Price, ProductId};

use super::{
    Draft, Error, Location,
    draft::Validator,
    product_fields::{ProductFields, require_same_id},
};

/// A valid change of a product. A field that is `None` keeps its value.
#[derive(Clone, Debug)]
pub struct ProductChange {
    pub(crate) name: Option<Name>,
    pub(crate) price: Option<Price>,
    pub(crate) amount: Option<Amount>,
}

impl ProductChange {
    /// Creates a change of all fields of the product `id`. If the draft has an id, it must be the same.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn replace(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        require_same_id(&mut validator, id, draft);
        let fields = ProductFields::validate(&mut validator, draft);
        let ProductFields { name, price, amount } = validator.finish(fields).map_err(Error::Invalid)?;
        Ok(Self { name: Some(name), price: Some(price), amount: Some(amount) })
    }

    /// Creates a change of the fields that the draft has. If the draft has an id, it must be `id`.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn partial(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        require_same_id(&mut validator, id, draft);
        let name = validator.optional("name", &draft.name);
        let price = validator.optional("price", &draft.price);
        let amount = validator.optional("amount", &draft.amount);
        validator.finish(Some(Self { name, price, amount })).map_err(Error::Invalid)
    }
}

//! Validated products to create, and errors of their ids.

use std::collections::HashMap;

use entity::{Amount, Name, Price, ProductId};

use super::{
    Draft, Error, FieldError, Location,
    draft::Validator,
    error::MAX_FIELD_ERRORS,
    product_fields::{ProductFields, client_id, require_same_id},
};

/// A valid product to create.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// Location in the request, for error messages.
    pub(crate) location: Location,
    pub(crate) id: Option<ProductId>,
    pub(crate) name: Name,
    pub(crate) price: Price,
    pub(crate) amount: Amount,
}

impl NewProduct {
    /// Validates one draft.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn new(draft: &Draft) -> Result<Self, Error> {
        Self::validate(Location::Root, draft).map_err(Error::Invalid)
    }

    /// Validates a draft of the product `id`. If the draft has an id, it must be the same.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn with_id(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        require_same_id(&mut validator, id, draft);
        let fields = ProductFields::validate(&mut validator, draft);
        let ProductFields { name, price, amount } = validator.finish(fields).map_err(Error::Invalid)?;
        Ok(Self { location: Location::Root, id: Some(id), name, price, amount })
    }

    pub(super) fn validate(location: Location, draft: &Draft) -> Result<Self, Vec<FieldError>> {
        let mut validator = Validator::new(location);
        let id = client_id(&mut validator, draft);
        let fields = ProductFields::validate(&mut validator, draft);
        let ProductFields { name, price, amount } = validator.finish(fields)?;
        Ok(Self { location, id, name, price, amount })
    }
}

/// Handling of a new product whose id is already in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// An error; no product is stored.
    #[default]
    Reject,
    /// Replacement of the existing product.
    Replace,
}

/// Returns the error for an id that is already in use.
pub(crate) fn id_taken_error(location: Location, id: ProductId) -> FieldError {
    FieldError { location, field: "id", detail: format!("{id} is taken").into() }
}

/// Returns an error if two of the products have the same id.
///
/// # Errors
/// Returns [`Error::Duplicate`] with the repeated ids, up to [`MAX_FIELD_ERRORS`].
pub(crate) fn reject_duplicate_ids(new: &[NewProduct]) -> Result<(), Error> {
    let mut ids: Vec<ProductId> = new.iter().filter_map(|product| product.id).collect();
    ids.sort_unstable();
    if ids.is_sorted_by(|id, next| id < next) {
        return Ok(());
    }
    let mut locations = HashMap::new();
    let mut errors = Vec::new();
    for (location, id) in new.iter().filter_map(|product| Some((product.location, product.id?))) {
        if let Some(first) = locations.insert(id, location) {
            let detail = format!("{id} is also the id of {first}").into();
            errors.push(FieldError { location, field: "id", detail });
        }
    }
    errors.truncate(MAX_FIELD_ERRORS);
    Err(Error::Duplicate(errors))
}

//! A validated product to create.

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

    /// Validates a draft of the product `id`. An id in the draft must be the same.
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

/// What to do with a product whose id is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Store nothing and return an error.
    #[default]
    Reject,
    /// Replace the existing product.
    Replace,
}

/// Returns the error for an id that a product already has.
pub(crate) fn id_taken_error(location: Location, id: ProductId) -> FieldError {
    FieldError { location, field: "id", detail: format!("{id} is taken").into() }
}

/// Returns [`Error::Duplicate`] if two of the products have the same id.
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

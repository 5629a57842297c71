//! Validated products and changes, which can only be made from a valid draft.

use std::collections::HashMap;

use entity::{Amount, Name, Price, ProductId};

use super::{
    Error, Location, Product, Version,
    draft::{Draft, Validator, Value},
    error::FieldError,
};

/// Maximum number of field errors in one response.
pub(super) const MAX_FIELD_ERRORS: usize = 100;

/// A valid product to create.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// Location in the request, for error messages.
    pub(super) location: Location,
    pub(super) id: Option<ProductId>,
    pub(super) name: Name,
    pub(super) price: Price,
    pub(super) amount: Amount,
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
        match ProductChange::replace(id, draft)? {
            ProductChange { name: Some(name), price: Some(price), amount: Some(amount) } => {
                Ok(Self { location: Location::Root, id: Some(id), name, price, amount })
            }
            _ => Err(Error::Internal),
        }
    }

    fn validate(location: Location, draft: &Draft) -> Result<Self, Vec<FieldError>> {
        let mut validator = Validator::new(location);
        let id = client_id(&mut validator, draft);
        let name = validator.required("name", &draft.name);
        let price = validator.required("price", &draft.price);
        let amount = validator.required("amount", &draft.amount);
        match (name, price, amount) {
            (Some(name), Some(price), Some(amount)) if validator.errors.is_empty() => {
                Ok(Self { location, id, name, price, amount })
            }
            _ => Err(validator.errors),
        }
    }
}

/// Validates drafts one by one. After the first error, valid products are no longer kept, which saves memory.
#[derive(Debug, Default)]
pub struct NewProducts {
    products: Vec<NewProduct>,
    errors: Vec<FieldError>,
    count: usize,
}

impl NewProducts {
    /// Creates an empty list with space for this many products.
    pub fn with_capacity(products: usize) -> Self {
        Self { products: Vec::with_capacity(products), ..Self::default() }
    }

    /// Validates the next item of an array. `None` stands for an item that is not an object.
    pub fn push(&mut self, draft: Option<&Draft>) {
        let location = Location::Index(self.count);
        match draft {
            Some(draft) => self.push_at(location, draft),
            None => self.push_error(FieldError { location, field: "", detail: "must be an object".into() }),
        }
    }

    /// Validates the next product of a file.
    pub fn push_at(&mut self, location: Location, draft: &Draft) {
        self.count += 1;
        if self.errors.len() >= MAX_FIELD_ERRORS {
            return;
        }
        match NewProduct::validate(location, draft) {
            Ok(product) if self.errors.is_empty() => self.products.push(product),
            Ok(_) => {}
            Err(errors) => errors.into_iter().for_each(|error| self.add_error(error)),
        }
    }

    /// Counts an item that could not be parsed, and adds its error.
    pub fn push_error(&mut self, error: FieldError) {
        self.count += 1;
        self.add_error(error);
    }

    /// Returns the number of items so far, valid or not.
    pub fn count(&self) -> usize {
        self.count
    }

    fn add_error(&mut self, error: FieldError) {
        self.products = Vec::new();
        if self.errors.len() < MAX_FIELD_ERRORS {
            self.errors.push(error);
        }
    }

    /// Returns all products if every item was valid.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with the invalid fields of all items, up to a hundred.
    pub fn finish(self) -> Result<Vec<NewProduct>, Error> {
        if self.errors.is_empty() { Ok(self.products) } else { Err(Error::Invalid(self.errors)) }
    }
}

/// A valid change of a product. Fields that are `None` keep their value.
#[derive(Clone, Debug)]
pub struct ProductChange {
    pub(super) name: Option<Name>,
    pub(super) price: Option<Price>,
    pub(super) amount: Option<Amount>,
}

impl ProductChange {
    /// Creates a change of all fields of the product `id`. An id in the draft must be the same.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn replace(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        require_same_id(&mut validator, id, draft);
        let name = validator.required("name", &draft.name);
        let price = validator.required("price", &draft.price);
        let amount = validator.required("amount", &draft.amount);
        validator.finish(Self { name, price, amount })
    }

    /// Creates a change of the fields in the draft. An id in the draft must be the product's.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] with every invalid field.
    pub fn partial(id: ProductId, draft: &Draft) -> Result<Self, Error> {
        let mut validator = Validator::new(Location::Root);
        require_same_id(&mut validator, id, draft);
        let name = validator.optional("name", &draft.name);
        let price = validator.optional("price", &draft.price);
        let amount = validator.optional("amount", &draft.amount);
        validator.finish(Self { name, price, amount })
    }
}

/// Returns the id chosen by the client. Null counts as missing, which is part of the legacy service's
/// contract.
fn client_id(validator: &mut Validator, draft: &Draft) -> Option<ProductId> {
    if draft.id == Value::Null { None } else { validator.optional("id", &draft.id) }
}

fn require_same_id(validator: &mut Validator, id: ProductId, draft: &Draft) {
    if client_id(validator, draft).is_some_and(|sent| sent != id) {
        validator.error("id", "must match the id in the path or be omitted");
    }
}

pub(super) fn id_taken_error(location: Location, id: ProductId) -> FieldError {
    FieldError { location, field: "id", detail: format!("{id} is taken").into() }
}

/// Returns [`Error::Duplicate`] if two of the products have the same id.
pub(super) fn reject_duplicate_ids(new: &[NewProduct]) -> Result<(), Error> {
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

/// Returns the products as stored. Generated ids are assigned in ascending order.
pub(super) fn assemble_products(
    new: Vec<NewProduct>,
    mut generated_ids: Vec<i64>,
    version: Version,
) -> Result<Vec<Product>, Error> {
    generated_ids.sort_unstable();
    let mut generated_ids = generated_ids.into_iter();
    let products = new.into_iter().map(|new| {
        let NewProduct { location: _, id, name, price, amount } = new;
        // A check constraint of the table keeps ids in range.
        let next_generated = || generated_ids.next().and_then(|id| ProductId::try_from(id).ok());
        let id = id.or_else(next_generated).ok_or(Error::Internal)?;
        Ok(Product { id, name, price, amount, version })
    });
    products.collect()
}

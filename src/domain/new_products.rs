//! Validation of many new products.

use super::{Draft, Error, FieldError, Location, NewProduct, error::MAX_FIELD_ERRORS};

/// List of new products, whose drafts are validated one by one. After the first error, no products are kept,
/// which saves memory.
#[derive(Debug, Default)]
pub struct NewProducts {
    products: Vec<NewProduct>,
    errors: Vec<FieldError>,
    count: usize,
}

impl NewProducts {
    /// Creates an empty list with capacity for this number of products.
    pub fn with_capacity(products: usize) -> Self {
        Self { products: Vec::with_capacity(products), ..Self::default() }
    }

    /// Validates the next item of an array. `None` means that the item is not an object.
    pub fn push(&mut self, draft: Option<&Draft>) {
        let location = Location::Index(self.count);
        match draft {
            Some(draft) => self.push_at(location, draft),
            None => self.push_error(FieldError { location, field: "", detail: "must be an object".into() }),
        }
    }

    /// Validates the next product, which has this location in the request.
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

    /// Counts an item that cannot be validated, and adds its error.
    pub fn push_error(&mut self, error: FieldError) {
        self.count += 1;
        self.add_error(error);
    }

    /// Returns the number of items so far, including invalid ones.
    pub fn count(&self) -> usize {
        self.count
    }

    fn add_error(&mut self, error: FieldError) {
        self.products = Vec::new();
        if self.errors.len() < MAX_FIELD_ERRORS {
            self.errors.push(error);
        }
    }

    /// Returns the products.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if an item was invalid, with up to 100 field errors.
    pub fn finish(self) -> Result<Vec<NewProduct>, Error> {
        if self.errors.is_empty() { Ok(self.products) } else { Err(Error::Invalid(self.errors)) }
    }
}

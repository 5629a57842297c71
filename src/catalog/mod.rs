//! THE rules, once: what a product may be, how it is created, read, changed and paged.
//!
//! REST and GraphQL both come through here; nothing below may know which one called.

use crate::database::Database;

mod create;
mod draft;
mod error;
mod page;
mod product;
mod reads;
mod writes;

pub use draft::{Draft, Value};
pub use entity::{Amount, Name, Price, ProductId, product::Model as Product};
pub use error::{Code, Error, Fault};
pub use page::{Cursor, Page, PageRequest};
pub use product::{NewProduct, ProductChange};
pub use reads::existing_id;

/// The only door to the products. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
}

impl Catalog {
    /// A catalog over this store, whose schema must be the newest.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The store below.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

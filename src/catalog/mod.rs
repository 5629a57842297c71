//! THE rules, once: what a product may be, how it is created, read, changed and paged.
//!
//! REST and GraphQL both come through here; nothing below may know which one called.

use crate::database::Database;

mod create;
mod draft;
mod error;
mod filter;
mod order;
mod page;
mod product;
mod reads;
mod stock;
mod version;
mod writes;

pub use draft::{Draft, Value};
pub use entity::{Amount, Name, Price, ProductId, Version, product::Model as Product};
pub use error::{Code, Error, Fault};
pub use filter::Filter;
pub use order::{Cursor, Order};
pub use page::{Listing, Page, PageRequest, cursor};
pub use product::{NewProduct, NewProducts, ProductChange};
pub use reads::existing_id;
pub use stock::Delta;
pub use version::Expected;

/// The only door to the products. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
    require_version: bool,
}

impl Catalog {
    /// A catalog over this store, whose schema must be the newest. With `require_version`, who changes or
    /// deletes a product has to tell which version of it is meant.
    pub fn new(database: Database, require_version: bool) -> Self {
        Self { database, require_version }
    }
}

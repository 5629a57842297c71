//! The types of the inventory and their rules: products, changes, filters, sort orders and pages.
//!
//! This module does no I/O. The interfaces create its types from requests, and the catalog carries out the
//! operations that these types describe.

mod access;
mod api_token;
mod change;
mod cursor;
mod draft;
mod error;
mod field_error;
mod filter;
mod filter_text;
mod idempotency;
mod new_product;
mod new_products;
mod page;
mod precondition;
mod product_change;
mod product_fields;
mod product_id;
mod product_selection;
mod product_write;
mod read_from;
mod sort_order;
mod stock_adjustment;

pub use access::{Caller, Identity, Scope, Scopes, network};
pub use api_token::{ApiToken, TokenDigest, TokenId, TokenName, new_token, parse_token};
pub use change::{Change, ChangeKind, Event, LogPosition};
pub use cursor::{Cursor, CursorValue};
pub use draft::{Draft, Value};
pub use entity::{
    Amount, DecimalText, InvalidValue, Name, Price, ProductId, Version, product::Model as Product,
};
pub(crate) use error::MAX_FIELD_ERRORS;
pub use error::{Error, ErrorCode};
pub use field_error::{FieldError, Location};
pub use filter::{Comparable, Comparison, Condition, Filter, NameOperand, NameOperator, NameTest, Operator};
pub use idempotency::{Fingerprint, Idempotency, IdempotencyKey, IdempotentResponse};
pub use new_product::{NewProduct, OnConflict};
pub(crate) use new_product::{id_taken_error, reject_duplicate_ids};
pub use new_products::NewProducts;
pub use page::{Listing, Page, PageRequest, parse_cursor};
pub use precondition::Precondition;
pub use product_change::ProductChange;
pub use product_fields::ProductFields;
pub use product_id::parse_product_id;
pub use product_selection::ProductSelection;
pub(crate) use product_write::new_version;
pub use product_write::{ProductWrite, WriteAction, WriteEffect};
pub use read_from::{ReadFrom, WalPosition};
pub use sort_order::{SortColumn, SortDirection, SortKey, SortOrder};
pub use stock_adjustment::StockAdjustment;

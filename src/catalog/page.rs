//! Pages of products in id order, by cursor: nothing is shown twice or missed while others write.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{ProductId, product};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{Catalog, Error, Product};

/// The place of a product in the order; opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(ProductId);

impl Cursor {
    /// The place of this product.
    pub fn of(product: &Product) -> Self {
        Self(product.id)
    }

    /// As clients see it.
    pub fn encode(self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0.to_string())
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        std::str::from_utf8(&bytes).ok()?.parse().ok().map(Self)
    }
}

/// Which products to read: the first or the last of those between two places.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    size: u64,
    from_end: bool,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

/// Products in id order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The products.
    pub products: Vec<Product>,
    /// Whether there are more behind them.
    pub has_next: bool,
    /// Whether there are more before them.
    pub has_previous: bool,
}

impl PageRequest {
    /// The most products of a page.
    pub const MAX_SIZE: u64 = 1000;
    /// The size when none is asked for.
    pub const DEFAULT_SIZE: u64 = 100;

    /// The largest page after a place.
    pub fn next(after: Option<Cursor>) -> Self {
        Self { size: Self::MAX_SIZE, from_end: false, after, before: None }
    }

    /// A page in the terms of the Relay connection specification.
    ///
    /// # Errors
    /// [`Error::Invalid`]: both `first` and `last`, a size out of 0 to [`PageRequest::MAX_SIZE`], or a cursor
    /// that is none of ours.
    pub fn relay(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
    ) -> Result<Self, Error> {
        if first.is_some() && last.is_some() {
            return Err(Error::invalid("last", "can't be combined with first"));
        }
        let cursor = |field, text: Option<&str>| {
            text.map(|text| Cursor::decode(text).ok_or(Error::invalid(field, "is not a cursor of this list")))
                .transpose()
        };
        let (field, wanted) = if last.is_some() { ("last", last) } else { ("first", first) };
        let size = wanted
            .map_or(Ok(Self::DEFAULT_SIZE), u64::try_from)
            .ok()
            .filter(|size| *size <= Self::MAX_SIZE)
            .ok_or_else(|| Error::invalid(field, format!("must be from 0 to {}", Self::MAX_SIZE)))?;
        Ok(Self {
            size,
            from_end: last.is_some(),
            after: cursor("after", after)?,
            before: cursor("before", before)?,
        })
    }
}

impl Catalog {
    /// Reads a page.
    ///
    /// # Errors
    /// The database fails.
    pub async fn page(&self, request: PageRequest) -> Result<Page, Error> {
        let PageRequest { size, from_end, after, before } = request;
        let mut query = product::Entity::find().limit(size + 1);
        if let Some(Cursor(id)) = after {
            query = query.filter(product::COLUMN.id.gt(id));
        }
        if let Some(Cursor(id)) = before {
            query = query.filter(product::COLUMN.id.lt(id));
        }
        query = if from_end {
            query.order_by_desc(product::Column::Id)
        } else {
            query.order_by_asc(product::Column::Id)
        };
        let mut products = query.all(self.database.reads()).await?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let has_more = products.len() > size;
        products.truncate(size);
        // The end from which nothing was counted is known by its cursor: the product it names stood there.
        Ok(if from_end {
            products.reverse();
            Page { products, has_next: before.is_some(), has_previous: has_more }
        } else {
            Page { products, has_next: has_more, has_previous: after.is_some() }
        })
    }
}

//! Pages of products by cursor: nothing is shown twice or missed while others insert and delete.

use std::sync::Arc;

use entity::product;
use sea_orm::{
    ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};

use super::{Catalog, Cursor, Error, Filter, Product, SortOrder, rows};
use crate::database::Kind;

/// Which products to list, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Those that pass it.
    pub filter: Filter,
    /// By id, unless told.
    pub order: SortOrder,
}

/// A part of a listing: the first or the last of the products between two places.
#[derive(Clone, Debug)]
pub struct PageRequest {
    size: u64,
    from_end: bool,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

/// Products in the listing's order.
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
    pub fn after(after: Option<Cursor>) -> Self {
        Self { size: Self::MAX_SIZE, from_end: false, after, before: None }
    }

    /// The products after a place, or those just before one.
    ///
    /// # Errors
    /// [`Error::Invalid`]: a size out of 1 to [`PageRequest::MAX_SIZE`], or a cursor of another listing.
    pub fn from_limit(
        size: &str,
        after: Option<&str>,
        before: Option<&str>,
        order: &SortOrder,
    ) -> Result<Self, Error> {
        let size = size.parse().ok().filter(|size| (1..=Self::MAX_SIZE).contains(size)).ok_or_else(|| {
            Error::invalid("limit", format!("must be a whole number from 1 to {}", Self::MAX_SIZE))
        })?;
        let from_end = before.is_some() && after.is_none();
        Ok(Self {
            size,
            from_end,
            after: parse_cursor("after", after, order)?,
            before: parse_cursor("before", before, order)?,
        })
    }

    /// A page in the terms of the Relay connection specification.
    ///
    /// # Errors
    /// [`Error::Invalid`]: both `first` and `last`, a size out of 0 to [`PageRequest::MAX_SIZE`], or a cursor of
    /// another listing.
    pub fn from_relay(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
        order: &SortOrder,
    ) -> Result<Self, Error> {
        if first.is_some() && last.is_some() {
            return Err(Error::invalid("last", "can't be combined with first"));
        }
        let (field, wanted) = if last.is_some() { ("last", last) } else { ("first", first) };
        let size = wanted
            .map_or(Ok(Self::DEFAULT_SIZE), u64::try_from)
            .ok()
            .filter(|size| *size <= Self::MAX_SIZE)
            .ok_or_else(|| Error::invalid(field, format!("must be from 0 to {}", Self::MAX_SIZE)))?;
        Ok(Self {
            size,
            from_end: last.is_some(),
            after: parse_cursor("after", after, order)?,
            before: parse_cursor("before", before, order)?,
        })
    }
}

/// Reads a cursor of this order.
///
/// # Errors
/// [`Error::Invalid`].
pub fn parse_cursor(
    field: &'static str,
    text: Option<&str>,
    order: &SortOrder,
) -> Result<Option<Cursor>, Error> {
    let decode =
        |text| Cursor::decode(text, order).ok_or(Error::invalid(field, "is not a cursor of this list"));
    text.map(decode).transpose()
}

/// All that a page depends on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageKey {
    statement: Statement,
    from_end: bool,
    is_after: bool,
    is_before: bool,
}

impl Catalog {
    /// Reads a page, perhaps together with others who ask for the same one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn page(&self, listing: &Listing, request: PageRequest) -> Result<Arc<Page>, Error> {
        let PageRequest { size, from_end, after, before } = request;
        let order = &listing.order;
        let mut query = product::Entity::find().filter(listing.filter.condition());
        if let Some(after) = &after {
            query = query.filter(order.seek_condition(after, false));
        }
        if let Some(before) = &before {
            query = query.filter(order.seek_condition(before, true));
        }
        for (column, direction) in order.columns(from_end) {
            query = query.order_by(column, direction);
        }
        let (database, kind) = (self.0.database.reads().clone(), self.0.database.kind());
        let backend = database.get_database_backend();
        // PostgreSQL plans anew each time when it can't see how many are wanted. Where there is but one good plan, it can keep
        // that; of the usual sizes alone, since each makes another statement.
        let is_usual = [PageRequest::DEFAULT_SIZE, PageRequest::MAX_SIZE].contains(&size);
        let is_plain = order.is_by_id() && listing.filter.is_empty();
        let statement = if kind == Kind::PostgreSql && is_usual && is_plain {
            let mut statement = query.build(backend);
            statement.sql.push_str(&format!(" LIMIT {}", size + 1));
            statement
        } else {
            query.limit(size + 1).build(backend)
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (is_after, is_before) = (after.is_some(), before.is_some());
        let page = move |mut products: Vec<Product>| {
            let has_more = products.len() > size;
            products.truncate(size);
            // The end from which nothing was counted is known by its cursor: the product it names stood there.
            Arc::new(if from_end {
                products.reverse();
                Page { products, has_next: is_before, has_previous: has_more }
            } else {
                Page { products, has_next: has_more, has_previous: is_after }
            })
        };
        let read = move |statement| {
            let database = database.clone();
            async move { Ok(page(rows::read(&database, kind, statement).await?)) }
        };
        match &self.0.batches {
            Some(batches) => {
                // The last ten by id and the first ten by falling id have the same statement, and are different pages.
                let question = PageKey { statement, from_end, is_after, is_before };
                batches.pages.ask(question, move |question| read(question.statement)).await
            }
            None => read(statement).await,
        }
    }

    /// How many products pass the filter, at this moment.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        Ok(product::Entity::find().filter(filter.condition()).count(self.0.database.reads()).await?)
    }
}

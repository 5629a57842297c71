//! Keyset pagination: pages neither repeat nor skip products while others are inserted and deleted.

use std::sync::Arc;

use entity::product;
use sea_orm::{
    ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};

use super::{Catalog, Cursor, Error, Filter, Product, SortOrder, rows};
use crate::database::Kind;

/// A sorted and filtered list of products.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Conditions that the products match.
    pub filter: Filter,
    /// Order of the list, by id unless set.
    pub order: SortOrder,
}

/// Part of a listing: the first or last products between two cursors.
#[derive(Clone, Debug)]
pub struct PageRequest {
    size: u64,
    from_end: bool,
    after: Option<Cursor>,
    before: Option<Cursor>,
}

/// Products of a listing, in its order.
#[derive(Clone, Debug)]
pub struct Page {
    /// Products on this page.
    pub products: Vec<Product>,
    /// Whether the listing continues after this page.
    pub has_next: bool,
    /// Whether products of the listing precede this page.
    pub has_previous: bool,
}

impl PageRequest {
    /// Maximum number of products on a page.
    pub const MAX_SIZE: u64 = 1000;
    /// Number of products on a page if the client sends no size.
    pub const DEFAULT_SIZE: u64 = 100;

    /// Requests the largest page after a cursor, or from the start.
    pub fn after(after: Option<Cursor>) -> Self {
        Self { size: Self::MAX_SIZE, from_end: false, after, before: None }
    }

    /// Requests the products after a cursor, or those just before one.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the size is not between 1 and [`PageRequest::MAX_SIZE`], or a cursor
    /// belongs to another order.
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

    /// Requests a page by the arguments of the Relay connection specification.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if both `first` and `last` are given, the size is not between 0 and
    /// [`PageRequest::MAX_SIZE`], or a cursor belongs to another order.
    pub fn from_relay(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
        order: &SortOrder,
    ) -> Result<Self, Error> {
        if first.is_some() && last.is_some() {
            return Err(Error::invalid("last", "cannot be combined with first"));
        }
        let (field, requested) = if last.is_some() { ("last", last) } else { ("first", first) };
        let size = requested
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

/// Decodes a cursor for this order. Returns `None` if no text is given.
///
/// # Errors
/// Returns [`Error::Invalid`] if the text is not a cursor or belongs to another order.
pub fn parse_cursor(
    field: &'static str,
    text: Option<&str>,
    order: &SortOrder,
) -> Result<Option<Cursor>, Error> {
    let decode = |text| {
        Cursor::decode(text, order).ok_or(Error::invalid(field, "is not a valid cursor for this list"))
    };
    text.map(decode).transpose()
}

/// Everything that determines a page. Equal keys have equal results.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageKey {
    statement: Statement,
    from_end: bool,
    is_after: bool,
    is_before: bool,
}

impl Catalog {
    /// Reads a page. Concurrent requests for the same page may share one query.
    ///
    /// # Errors
    /// Returns an error if the database fails.
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
        // PostgreSQL plans the query at each execution if the limit is a parameter. A literal limit lets it
        // keep a generic plan, which is only safe by id, where one plan is always best. Each literal needs a
        // prepared statement, so only the common sizes get one.
        let is_common_size = [PageRequest::DEFAULT_SIZE, PageRequest::MAX_SIZE].contains(&size);
        let is_by_id = order.is_by_id() && listing.filter.is_empty();
        let statement = if kind == Kind::PostgreSql && is_common_size && is_by_id {
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
            // In the other direction, a cursor implies more products: it was made from one.
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
                // The last ten by ascending id and the first ten by descending id share a statement, but are
                // different pages.
                let key = PageKey { statement, from_end, is_after, is_before };
                batches.pages.get(key, move |key| read(key.statement)).await
            }
            None => read(statement).await,
        }
    }

    /// Returns the number of products that match the filter.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        Ok(product::Entity::find().filter(filter.condition()).count(self.0.database.reads()).await?)
    }
}

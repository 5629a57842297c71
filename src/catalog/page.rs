//! Keyset pagination: pages neither repeat nor skip products while others are inserted and deleted.

use std::sync::Arc;

use entity::product;
use sea_orm::{
    ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};

use super::{
    Catalog, Products, rows,
    sql::{self, keyset::Reading},
};
use crate::{
    database::Kind,
    domain::{Error, Filter, Listing, Page, PageRequest, Product},
};

/// Properties that determine a page. Equal keys have equal results.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PageKey {
    statement: Statement,
    from_end: bool,
    is_after: bool,
    is_before: bool,
}

impl Catalog {
    /// Returns a page. Concurrent requests for the same page may share one query.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn page(&self, listing: &Listing, request: PageRequest) -> Result<Arc<Page>, Error> {
        let PageRequest { size, from_end, after, before } = request;
        let order = &listing.order;
        let mut query = product::Entity::find().filter(sql::filter::condition(&listing.filter));
        if let Some(after) = &after {
            query = query.filter(sql::keyset::seek_condition(order, after, Reading::Forwards));
        }
        if let Some(before) = &before {
            query = query.filter(sql::keyset::seek_condition(order, before, Reading::Backwards));
        }
        let reading = if from_end { Reading::Backwards } else { Reading::Forwards };
        for (column, direction) in sql::keyset::columns(order, reading) {
            query = query.order_by(column, direction);
        }
        let (database, kind) = (self.0.database.reads().clone(), self.0.database.kind());
        let backend = database.get_database_backend();
        // PostgreSQL plans the query at each execution if the limit is a parameter. With a literal limit, it
        // can keep a generic plan. This is safe only for an unfiltered list sorted by id, because one plan is
        // always best for it. Each literal needs its own prepared statement, so only common sizes are
        // literals.
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
            // A cursor refers to a product outside the page, so the list continues on that side.
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
        // The last ten by ascending id and the first ten by descending id have the same statement, but are
        // different pages.
        let key = PageKey { statement, from_end, is_after, is_before };
        self.inner.batches.pages.get(key, move |key| read(key.statement)).await
    }
}

impl Products {
    /// Returns the number of products that match the filter.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn count(&self, filter: &Filter) -> Result<u64, Error> {
        Ok(product::Entity::find()
            .filter(sql::filter::condition(filter))
            .count(self.0.database.reads())
            .await?)
    }
}

//! Keyset pagination: pages neither repeat nor skip products while others are inserted and deleted.

use entity::product;
use sea_orm::{DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement};

use super::{
    filter,
    keyset::{self, Reading},
};
use crate::domain::{Listing, PageRequest};

/// Returns a statement that selects the products of a page in the order of reading, and the one that
/// follows, if any.
pub(in crate::store) fn statement(listing: &Listing, page: &PageRequest, backend: DbBackend) -> Statement {
    let PageRequest { size, from_end, after, before } = page;
    let order = &listing.order;
    let mut query = product::Entity::find().filter(filter::condition(&listing.filter, backend));
    if let Some(after) = after {
        query = query.filter(keyset::seek_condition(order, after, Reading::Forwards));
    }
    if let Some(before) = before {
        query = query.filter(keyset::seek_condition(order, before, Reading::Backwards));
    }
    let reading = if *from_end { Reading::Backwards } else { Reading::Forwards };
    for (column, direction) in keyset::columns(order, reading) {
        query = query.order_by(column, direction);
    }
    // PostgreSQL plans the query at each execution if the limit is a parameter. With a literal limit, it
    // can keep a generic plan. This is safe only for a range of ids, because one plan is always best for it.
    // Each literal needs its own prepared statement, so only common sizes are literals.
    let is_common_size = [PageRequest::DEFAULT_SIZE, PageRequest::MAX_SIZE].contains(size);
    if backend == DbBackend::Postgres && is_common_size && listing.is_id_range() {
        let mut statement = query.build(backend);
        statement.sql.push_str(&format!(" LIMIT {}", size + 1));
        return statement;
    }
    query.limit(size + 1).build(backend)
}

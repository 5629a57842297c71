//! Statements that SeaORM builds for both databases.

pub(super) mod api_token;
pub(super) mod backup;
pub(super) mod filter;
pub(super) mod idempotency;
pub(super) mod keyset;
pub(super) mod page;

use entity::product;
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement,
    prelude::Expr,
    sea_query::{Func, Query},
};

use crate::domain::Filter;

/// Returns a statement whose only value is the number of products that match the filter.
pub(super) fn count(filter: &Filter, backend: DbBackend) -> Statement {
    let query = product::Entity::find().filter(filter::condition(filter, backend)).select_only();
    query.expr(Expr::col(product::Column::Id).count()).build(backend)
}

/// Returns a statement whose values are the number of products and the sum of their amounts.
pub(super) fn totals(backend: DbBackend) -> Statement {
    let count = Expr::col(product::Column::Id).count();
    let stock =
        Func::coalesce([Expr::col(product::Column::Amount).sum().cast_as("bigint"), Expr::val(0_i64)]);
    product::Entity::find().select_only().expr(count).expr(stock).build(backend)
}

/// Returns a statement that deletes the products that match the filter, and returns their ids and versions
/// on SQLite. On PostgreSQL, it locks the rows in the order of their ids, which prevents deadlocks.
pub(super) fn delete_many(filter: &Filter, backend: DbBackend) -> Statement {
    let mut delete = Query::delete();
    delete.from_table(product::Entity);
    if backend == DbBackend::Postgres {
        let selected = product::Entity::find().select_only().column(product::Column::Id);
        let selected = selected.filter(filter::condition(filter, backend)).order_by_asc(product::Column::Id);
        delete.and_where(product::Column::Id.in_subquery(selected.lock_exclusive().into_query()));
    } else {
        delete.cond_where(filter::condition(filter, backend));
        delete.returning(Query::returning().columns([product::Column::Id, product::Column::Version]));
    }
    backend.build(&delete)
}

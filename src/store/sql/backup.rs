//! Statements on everything that a database holds.

use entity::{api_token, idempotency_key, product};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbBackend, EntityTrait, Iden, IntoActiveModel, Order, QueryOrder,
    QueryTrait, Statement,
    sea_query::{Expr, SimpleExpr},
};

use crate::store::Rows;

/// Condition that the tables of a backup have no rows.
pub(in crate::store) const IS_EMPTY: &str = "
SELECT NOT (EXISTS (SELECT 1 FROM product) OR EXISTS (SELECT 1 FROM api_token) OR EXISTS (SELECT 1 FROM idempotency_key))";

pub(in crate::store) fn products(backend: DbBackend) -> Statement {
    product::Entity::find().order_by_asc(product::Column::Id).build(backend)
}

pub(in crate::store) fn api_tokens(backend: DbBackend) -> Statement {
    let by_id = by_bytes(api_token::Column::Id, backend);
    api_token::Entity::find().order_by(by_id, Order::Asc).build(backend)
}

pub(in crate::store) fn responses(backend: DbBackend) -> Statement {
    let by_key = by_bytes(idempotency_key::Column::Key, backend);
    idempotency_key::Entity::find().order_by(by_key, Order::Asc).build(backend)
}

/// Returns a text column as a sort key that has the same order in all databases.
fn by_bytes<C: ColumnTrait + Iden>(column: C, backend: DbBackend) -> SimpleExpr {
    match backend {
        DbBackend::Postgres => Expr::cust(format!("\"{}\" COLLATE \"C\"", Iden::unquoted(&column))),
        _ => column.into_expr(),
    }
}

/// Returns a statement that inserts the rows as they are.
pub(in crate::store) fn insert(rows: Rows, backend: DbBackend) -> Statement {
    match rows {
        Rows::Products(rows) => product::Entity::insert_many(active(rows)).build(backend),
        Rows::ApiTokens(rows) => api_token::Entity::insert_many(active(rows)).build(backend),
        Rows::Responses(rows) => idempotency_key::Entity::insert_many(active(rows)).build(backend),
    }
}

fn active<M: IntoActiveModel<A>, A: ActiveModelTrait>(rows: Vec<M>) -> impl Iterator<Item = A> {
    rows.into_iter().map(IntoActiveModel::into_active_model)
}

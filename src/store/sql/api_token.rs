//! Statements on API tokens.

use entity::api_token::{
    self,
    Column::{CreatedAt, ExpiresAt, Id, LastUsedAt, RevokedAt},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryTrait, Statement,
    prelude::Expr,
};

use crate::{
    domain::{ApiToken, TokenId},
    store::TokenEnd,
};

/// Returns a statement that selects all tokens, the oldest first.
pub(in crate::store) fn select(backend: DbBackend) -> Statement {
    api_token::Entity::find().order_by_asc(CreatedAt).order_by_asc(Id).build(backend)
}

/// Returns a statement that inserts a token.
pub(in crate::store) fn insert(token: &ApiToken, backend: DbBackend) -> Statement {
    let row = api_token::ActiveModel {
        id: Set(token.id.to_string()),
        name: Set(token.name.as_str().to_owned()),
        digest: Set(token.digest.0.to_vec()),
        scopes: Set(token.scopes.to_string()),
        created_at: Set(token.created_at),
        expires_at: Set(token.expires_at),
        revoked_at: Set(token.revoked_at),
        last_used_at: Set(token.last_used_at),
    };
    api_token::Entity::insert(row).build(backend)
}

/// Returns a statement that ends a token.
pub(in crate::store) fn end(id: TokenId, end: TokenEnd, backend: DbBackend) -> Statement {
    let (column, time) = match end {
        TokenEnd::Revoked(time) => (RevokedAt, time),
        TokenEnd::Expires(time) => (ExpiresAt, time),
    };
    let update = api_token::Entity::update_many().col_expr(column, Expr::val(time));
    update.filter(Id.eq(id.to_string())).build(backend)
}

/// Returns a statement that stores the time at which tokens were used.
pub(in crate::store) fn set_last_used(ids: &[TokenId], time: i64, backend: DbBackend) -> Statement {
    let ids = ids.iter().map(ToString::to_string);
    let update = api_token::Entity::update_many().col_expr(LastUsedAt, Expr::val(time));
    update.filter(Id.is_in(ids)).build(backend)
}

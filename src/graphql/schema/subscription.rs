//! What can be followed.

use async_graphql::{Context, Enum, ID, Result, SimpleObject, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt};

use super::{product::Product, scalars::DateTime};
use crate::{
    catalog::{Catalog, ChangeKind, Event, LogPosition, ProductSelection},
    graphql::execution::service::Subscribed,
};

/// The root of subscriptions.
pub struct Subscription;

/// Something that happened to a product.
#[derive(SimpleObject)]
pub struct ProductChange {
    /// What happened.
    kind: ProductChangeKind,
    /// Which product; null for RESYNC.
    id: Option<ID>,
    /// The version that the product has since, or had last; null for RESYNC.
    version: Option<String>,
    /// When; null for RESYNC.
    at: Option<DateTime>,
    /// The product as it is now; null where it is gone, and for RESYNC.
    product: Option<Product>,
    /// The place of this change: who comes back goes on behind it.
    cursor: String,
}

/// What can happen to a product.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum ProductChangeKind {
    /// It is new.
    Created,
    /// Its name or price changed, perhaps more.
    Updated,
    /// Its amount changed, and nothing else.
    StockMoved,
    /// It is gone.
    Deleted,
    /// More happened than is known: read the products again.
    Resync,
}

/// Follows the inventory.
#[SubscriptionRoot]
impl Subscription {
    /// The changes of products as they happen, whoever makes them, in order. None is left out: where that can't be
    /// promised, a RESYNC says so.
    async fn product_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these products, at most 1000.")] ids: Option<Vec<ID>>,
        #[graphql(desc = "Go on behind this cursor of a change, instead of with what happens from now on.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ProductChange>> + use<>> {
        let followed = match &ids {
            Some(ids) => ProductSelection::from_ids(ids.iter().map(|id| id.as_str()), "ids")?,
            None => ProductSelection::ALL,
        };
        let after = after.as_deref().map(str::parse::<LogPosition>).transpose()?;
        let events = ctx.data::<Catalog>()?.subscribe(followed, after).await?;
        if let Some(Subscribed(subscribed)) = ctx.data_opt() {
            subscribed.notify_one();
        }
        Ok(events.map(|event| Ok(ProductChange::from(event?))))
    }
}

impl From<Event> for ProductChange {
    fn from(event: Event) -> Self {
        let cursor = event.position().to_string();
        match event {
            Event::Resync(_) => {
                let kind = ProductChangeKind::Resync;
                Self { kind, id: None, version: None, at: None, product: None, cursor }
            }
            Event::Change(change) => Self {
                kind: match change.kind {
                    ChangeKind::Created => ProductChangeKind::Created,
                    ChangeKind::Updated => ProductChangeKind::Updated,
                    ChangeKind::StockMoved => ProductChangeKind::StockMoved,
                    ChangeKind::Deleted => ProductChangeKind::Deleted,
                },
                id: Some(ID(change.id.to_string())),
                version: Some(change.version.to_string()),
                at: Some(DateTime(change.at.to_string())),
                product: change.product.map(|product| Product::from((*product).clone())),
                cursor,
            },
        }
    }
}

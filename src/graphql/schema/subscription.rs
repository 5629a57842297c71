//! Subscriptions.

use async_graphql::{Context, Enum, ID, Result, SimpleObject, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt};

use super::{product::Product, scalars::DateTime};
use crate::{
    catalog::Catalog,
    domain::{ChangeKind, Event, LogPosition, ProductSelection},
    graphql::subscription_signal::SubscriptionSignal,
};

pub struct Subscription;

/// A change to a product.
#[derive(SimpleObject)]
pub struct ProductChange {
    /// Kind of change.
    kind: ProductChangeKind,
    /// Product ID; null for RESYNC.
    id: Option<ID>,
    /// Version after the change, or the last version if the product was deleted; null for RESYNC.
    version: Option<String>,
    /// Time of the change; null for RESYNC.
    at: Option<DateTime>,
    /// Current state of the product; null if it no longer exists, and for RESYNC.
    product: Option<Product>,
    /// Cursor of this change; pass it as `after` to resume.
    cursor: String,
}

/// Kinds of changes to a product.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum ProductChangeKind {
    /// The product was created.
    Created,
    /// The name or price changed, possibly the amount too.
    Updated,
    /// Only the amount changed.
    StockMoved,
    /// The product was deleted.
    Deleted,
    /// Changes may have been missed; fetch the products again.
    Resync,
}

/// Live changes to the inventory.
#[SubscriptionRoot]
impl Subscription {
    /// Changes to products by any client, in order and as they happen. A RESYNC event reports that changes may have
    /// been missed.
    async fn product_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only changes to these products, at most 1000.")] ids: Option<Vec<ID>>,
        #[graphql(desc = "Resume after the change with this cursor. By default, only new changes are sent.")]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<ProductChange>> + use<>> {
        let selection = match &ids {
            Some(ids) => ProductSelection::from_ids(ids.iter().map(|id| id.as_str()), "ids")?,
            None => ProductSelection::ALL,
        };
        let after = after.as_deref().map(str::parse::<LogPosition>).transpose()?;
        let events = ctx.data::<Catalog>()?.subscribe(selection, after).await?;
        if let Some(SubscriptionSignal(signal)) = ctx.data_opt() {
            signal.notify_one();
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
                    ChangeKind::StockAdjusted => ProductChangeKind::StockMoved,
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

//! Page of products as a Relay connection.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject, connection::PageInfo};
use tokio::sync::OnceCell;

use super::{
    field_weight::{FieldWeight, Scans},
    product::ProductObject,
    scalars::TextOf,
};
use crate::{
    catalog::Catalog,
    domain::{self, Cursor, Filter, Listing, Page, SortOrder},
    graphql::prebuilt_json::{PrebuiltList, prebuilt_object},
};

/// A page of products (Relay connection).
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductConnection {
    /// Whether more pages exist, and the cursors of this page's first and last product.
    page_info: PageInfo,
    #[graphql(skip)]
    page: Arc<Page>,
    #[graphql(skip)]
    order: SortOrder,
    #[graphql(skip)]
    filter: Filter,
    #[graphql(skip)]
    total: OnceCell<u64>,
}

/// A product in an ordered page.
pub struct ProductEdge<'a> {
    product: &'a domain::Product,
    order: &'a SortOrder,
}

prebuilt_object! {
    /// A product and its cursor.
    #[Object]
    ProductEdge {
        /// The product.
        node: ProductObject<'_> = |edge| edge.product.into(),
        /// Cursor of this product, for `after` and `before`.
        cursor: TextOf<String, String> = |edge| TextOf::new(Cursor::new(edge.product, edge.order).encode()),
    }
}

/// Weights of the lists, and of fields that cost more than the default.
pub const WEIGHTS: &[(&str, FieldWeight)] = &[
    ("edges", FieldWeight::OF_PAGE),
    ("nodes", FieldWeight::OF_PAGE),
    ("totalCount", FieldWeight { scans: Scans::Always, ..FieldWeight::DEFAULT }),
];

#[ComplexObject]
impl ProductConnection {
    /// Products with their cursors.
    async fn edges(&self) -> PrebuiltList<ProductEdge<'_>> {
        let edge = |product| ProductEdge { product, order: &self.order };
        PrebuiltList(self.page.products.iter().map(edge).collect())
    }

    /// Products without cursors.
    async fn nodes(&self) -> PrebuiltList<ProductObject<'_>> {
        PrebuiltList(self.page.products.iter().map(ProductObject::from).collect())
    }

    /// Number of products that match the filter, on all pages. Counted only if this field is requested.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let catalog = ctx.data::<Catalog>()?;
        let count = self.total.get_or_try_init(|| catalog.count(&self.filter)).await?;
        Ok(i32::try_from(*count).unwrap_or(i32::MAX))
    }
}

impl ProductConnection {
    pub fn new(page: Arc<Page>, listing: Listing) -> Self {
        let Listing { filter, order } = listing;
        let cursor = |product: &domain::Product| Cursor::new(product, &order).encode();
        let page_info = PageInfo {
            has_previous_page: page.has_previous,
            has_next_page: page.has_next,
            start_cursor: page.products.first().map(cursor),
            end_cursor: page.products.last().map(cursor),
        };
        Self { page_info, page, order, filter, total: OnceCell::new() }
    }
}

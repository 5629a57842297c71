//! Page of products as a Relay connection.

use std::sync::Arc;

use async_graphql::{
    ComplexObject, Context, Result, SimpleObject, connection::PageInfo, parser::types::Field,
};
use tokio::sync::OnceCell;

use super::product::ProductObject;
use crate::{
    catalog::{self, Catalog, Cursor, Filter, Listing, Page, SortOrder},
    graphql::prebuilt_json::{PrebuiltList, WriteFields, write_object, write_quoted},
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

/// A product and its cursor.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductEdge<'a> {
    /// The product.
    node: ProductObject<'a>,
    #[graphql(skip)]
    order: &'a SortOrder,
}

#[ComplexObject]
impl ProductConnection {
    /// Products with their cursors.
    async fn edges(&self) -> PrebuiltList<ProductEdge<'_>> {
        let edge = |product| ProductEdge { node: ProductObject::from(product), order: &self.order };
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

#[ComplexObject]
impl ProductEdge<'_> {
    /// Cursor of this product, for `after` and `before`.
    async fn cursor(&self) -> String {
        self.encode_cursor()
    }
}

impl ProductEdge<'_> {
    fn encode_cursor(&self) -> String {
        Cursor::new(self.node.product(), self.order).encode()
    }
}

impl WriteFields for ProductEdge<'_> {
    fn write_field(&self, field: &Field, json: &mut Vec<u8>) -> Option<()> {
        match field.name.node.as_str() {
            "node" => write_object(&self.node, &field.selection_set.node, json),
            "cursor" => {
                write_quoted(&self.encode_cursor(), json);
                Some(())
            }
            _ => None,
        }
    }
}

impl ProductConnection {
    pub fn new(page: Arc<Page>, listing: Listing) -> Self {
        let Listing { filter, order } = listing;
        let cursor = |product: &catalog::Product| Cursor::new(product, &order).encode();
        let page_info = PageInfo {
            has_previous_page: page.has_previous,
            has_next_page: page.has_next,
            start_cursor: page.products.first().map(cursor),
            end_cursor: page.products.last().map(cursor),
        };
        Self { page_info, page, order, filter, total: OnceCell::new() }
    }
}

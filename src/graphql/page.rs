//! A page of products, as the Relay connection specification has it.

use std::sync::Arc;

use async_graphql::{
    ComplexObject, Context, Result, SimpleObject, Value, connection::PageInfo, parser::types::Field,
};

use tokio::sync::OnceCell;

use super::{
    product::Product,
    ready::{Item, Ready, object},
};
use crate::catalog::{self, Catalog, Cursor, Filter, Listing, Order, Page};

/// A page of products (a Relay connection).
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductConnection {
    /// Whether there are more, and from where on.
    page_info: PageInfo,
    /// The products with their places.
    edges: Ready<ProductEdge>,
    #[graphql(skip)]
    filter: Filter,
    #[graphql(skip)]
    total: OnceCell<u64>,
}

/// A product, and its place in the list.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductEdge {
    /// The product.
    node: Product,
    #[graphql(skip)]
    order: Arc<Order>,
}

#[ComplexObject]
impl ProductConnection {
    /// The products alone.
    async fn nodes(&self) -> Ready<&Product> {
        Ready(self.edges.0.iter().map(|edge| &edge.node).collect())
    }

    /// How many products pass the filter, on all pages together; counted only when it is asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let catalog = ctx.data::<Catalog>()?;
        let count = self.total.get_or_try_init(|| catalog.count(&self.filter)).await?;
        Ok(i32::try_from(*count).unwrap_or(i32::MAX))
    }
}

#[ComplexObject]
impl ProductEdge {
    /// The place, for `after` and `before`.
    async fn cursor(&self) -> String {
        self.place()
    }
}

impl ProductEdge {
    fn place(&self) -> String {
        Cursor::of(self.node.product(), &self.order).encode()
    }
}

impl Item for ProductEdge {
    fn value(&self, field: &Field) -> Option<Value> {
        match field.name.node.as_str() {
            "node" => object(&self.node, &field.selection_set.node),
            "cursor" => Some(self.place().into()),
            _ => None,
        }
    }
}

impl ProductConnection {
    /// A page of this listing.
    pub fn new(page: &Page, listing: Listing) -> Self {
        let Page { products, has_next, has_previous } = page;
        let order = Arc::new(listing.order);
        let edge =
            |product: &catalog::Product| ProductEdge { node: product.clone().into(), order: order.clone() };
        let edges: Vec<_> = products.iter().map(edge).collect();
        let page_info = PageInfo {
            has_previous_page: *has_previous,
            has_next_page: *has_next,
            start_cursor: edges.first().map(ProductEdge::place),
            end_cursor: edges.last().map(ProductEdge::place),
        };
        Self { page_info, edges: Ready(edges), filter: listing.filter, total: OnceCell::new() }
    }
}

//! A page of products, as the Relay connection specification has it.

use std::sync::Arc;

use async_graphql::{
    ComplexObject, Context, Result, SimpleObject, connection::PageInfo, parser::types::Field,
};

use tokio::sync::OnceCell;

use super::product::Shown;
use crate::{
    catalog::{self, Catalog, Cursor, Filter, Listing, Page, SortOrder},
    graphql::execution::prebuilt_json::{Item, List, object, text},
};

/// A page of products (a Relay connection).
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductConnection {
    /// Whether there are more, and from where on.
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

/// A product, and its place in the list.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ProductEdge<'a> {
    /// The product.
    node: Shown<'a>,
    #[graphql(skip)]
    order: &'a SortOrder,
}

#[ComplexObject]
impl ProductConnection {
    /// The products with their places.
    async fn edges(&self) -> List<ProductEdge<'_>> {
        let edge = |product| ProductEdge { node: Shown::from(product), order: &self.order };
        List(self.page.products.iter().map(edge).collect())
    }

    /// The products alone.
    async fn nodes(&self) -> List<Shown<'_>> {
        List(self.page.products.iter().map(Shown::from).collect())
    }

    /// How many products pass the filter, on all pages together; counted only when it is asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let catalog = ctx.data::<Catalog>()?;
        let count = self.total.get_or_try_init(|| catalog.count(&self.filter)).await?;
        Ok(i32::try_from(*count).unwrap_or(i32::MAX))
    }
}

#[ComplexObject]
impl ProductEdge<'_> {
    /// The place, for `after` and `before`.
    async fn cursor(&self) -> String {
        self.place()
    }
}

impl ProductEdge<'_> {
    fn place(&self) -> String {
        Cursor::new(self.node.product(), self.order).encode()
    }
}

impl Item for ProductEdge<'_> {
    fn write(&self, field: &Field, json: &mut Vec<u8>) -> Option<()> {
        match field.name.node.as_str() {
            "node" => object(&self.node, &field.selection_set.node, json),
            "cursor" => {
                text(&self.place(), json);
                Some(())
            }
            _ => None,
        }
    }
}

impl ProductConnection {
    /// A page of this listing.
    pub fn new(page: Arc<Page>, listing: Listing) -> Self {
        let Listing { filter, order } = listing;
        let place = |product: &catalog::Product| Cursor::new(product, &order).encode();
        let page_info = PageInfo {
            has_previous_page: page.has_previous,
            has_next_page: page.has_next,
            start_cursor: page.products.first().map(place),
            end_cursor: page.products.last().map(place),
        };
        Self { page_info, page, order, filter, total: OnceCell::new() }
    }
}

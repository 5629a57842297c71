//! Queries.

use async_graphql::{Context, ID, Object, Result};

use super::{
    connection::ProductConnection,
    field_weight::{FieldWeight, Items, Scans},
    filter::{ProductFilter, ProductOrder, sort_order},
    product::Product,
};
use crate::catalog::Catalog;
use crate::domain::{self, Error, Listing, PageRequest, parse_product_id};

pub struct Query;

/// Weights of the queries that cost more than the default.
pub const WEIGHTS: &[(&str, FieldWeight)] =
    &[("products", FieldWeight { items: Items::Page, scans: Scans::WithAny(&["filter", "orderBy"]) })];

/// Read access to the inventory.
#[Object]
impl Query {
    /// The product with this ID, or null if it does not exist.
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Product ID.")] id: ID,
    ) -> Result<Option<Product>> {
        Ok(find_product(ctx.data::<Catalog>()?, &id).await?.map(Product::from))
    }

    /// A page of products: the `first` ones after a cursor, or the `last` ones before a cursor. The default size is
    /// 100, the maximum is 1000. Concurrent inserts and deletes cause no duplicates and no gaps between pages.
    #[expect(clippy::too_many_arguments, reason = "Relay's four arguments, a filter and a sort order")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start, 0 to 1000.")] first: Option<i32>,
        #[graphql(desc = "Items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end, 0 to 1000. Not allowed with first.")] last: Option<
            i32,
        >,
        #[graphql(desc = "Items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only products that match.")] filter: Option<ProductFilter>,
        #[graphql(
            desc = "Sort keys, most significant first; equal products are sorted by ID. A cursor is valid only in its own sort order."
        )]
        order_by: Option<Vec<ProductOrder>>,
    ) -> Result<Option<ProductConnection>> {
        let filter = filter.unwrap_or_default().into_filter()?;
        let listing = Listing { filter, order: sort_order(&order_by.unwrap_or_default())? };
        let request =
            PageRequest::from_relay(first, after.as_deref(), last, before.as_deref(), &listing.order)?;
        let page = ctx.data::<Catalog>()?.page(&listing, request).await?;
        Ok(Some(ProductConnection::new(page, listing)))
    }
}

/// Returns the product with this id, or `None` if it does not exist.
pub async fn find_product(catalog: &Catalog, id: &str) -> Result<Option<domain::Product>, Error> {
    let result = match parse_product_id(id) {
        Ok(id) => catalog.get(id).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(product) => Ok(Some(product)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

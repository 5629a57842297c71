//! What can be asked.

use async_graphql::{Context, ID, Object, Result};

use super::{
    connection::ProductConnection,
    filter::{ProductFilter, ProductOrder, order},
    product::Product,
};
use crate::catalog::{self, Catalog, Error, Listing, PageRequest, parse_product_id};

/// The root of queries.
pub struct Query;

/// Reads the inventory.
#[Object]
impl Query {
    /// One product; null when there is none with this id.
    async fn product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its number.")] id: ID,
    ) -> Result<Option<Product>> {
        Ok(product(ctx.data::<Catalog>()?, &id).await?.map(Product::from))
    }

    /// Products, a page at a time: the `first` ones after a cursor or the `last` ones before one, 100 unless told,
    /// 1000 at the most. Nothing is shown twice or missed while others insert and delete.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the arguments of the Relay specification, and two"
    )]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the begin, 0 to 1000.")] first: Option<i32>,
        #[graphql(desc = "From behind this cursor on.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 0 to 1000; not with first.")] last: Option<i32>,
        #[graphql(desc = "Up to this cursor.")] before: Option<String>,
        #[graphql(desc = "Only those that pass it.")] filter: Option<ProductFilter>,
        #[graphql(
            desc = "The first one first; ties are broken by the id. A cursor is good for its order alone."
        )]
        order_by: Option<Vec<ProductOrder>>,
    ) -> Result<Option<ProductConnection>> {
        let filter = filter.unwrap_or_default().filter()?;
        let listing = Listing { filter, order: order(&order_by.unwrap_or_default())? };
        let request =
            PageRequest::from_relay(first, after.as_deref(), last, before.as_deref(), &listing.order)?;
        let page = ctx.data::<Catalog>()?.page(&listing, request).await?;
        Ok(Some(ProductConnection::new(page, listing)))
    }
}

/// One product by the text of its id; none when there is none.
pub async fn product(catalog: &Catalog, id: &str) -> Result<Option<catalog::Product>, Error> {
    let found = match parse_product_id(id) {
        Ok(id) => catalog.get(id).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(product) => Ok(Some(product)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

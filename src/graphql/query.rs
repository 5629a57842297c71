//! What can be asked.

use async_graphql::{
    Context, ID, Object, Result,
    connection::{Connection, Edge},
};

use super::product::Product;
use crate::catalog::{Catalog, Cursor, Error, Listing, PageRequest, existing_id};

/// Reads the inventory.
pub struct Query;

#[Object]
impl Query {
    /// One product; null when there is none with this id.
    async fn product(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Product>> {
        let found = match existing_id(&id) {
            Ok(id) => ctx.data::<Catalog>()?.get(id).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(product) => Ok(Some(product.into())),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Products in id order, a page at a time: the `first` ones after a cursor or the `last` ones before
    /// one, 100 unless told, 1000 at the most.
    async fn products(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<Connection<String, Product>>> {
        let listing = Listing::default();
        let request = PageRequest::relay(first, after.as_deref(), last, before.as_deref(), &listing.order)?;
        let page = ctx.data::<Catalog>()?.page(&listing, request).await?;
        let mut connection = Connection::new(page.has_previous, page.has_next);
        connection.edges.extend(
            page.products.into_iter().map(|product| {
                Edge::new(Cursor::of(&product, &listing.order).encode(), Product::from(product))
            }),
        );
        Ok(Some(connection))
    }
}

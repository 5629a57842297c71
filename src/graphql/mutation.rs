//! What can be changed.

use async_graphql::{Context, ID, Object, Result};

use super::product::{CreateProductInput, Product, UpdateProductInput};
use crate::catalog::{Catalog, NewProduct, ProductChange, existing_id};

/// Changes the inventory.
pub struct Mutation;

#[Object]
impl Mutation {
    /// Creates a product.
    async fn create_product(&self, ctx: &Context<'_>, input: CreateProductInput) -> Result<Product> {
        let new = NewProduct::new(&input.into())?;
        Ok(ctx.data::<Catalog>()?.create(new).await?.into())
    }

    /// Creates all of the products or none; the answer is in the order given.
    async fn create_products(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateProductInput>,
    ) -> Result<Vec<Product>> {
        let new = NewProduct::new_many(inputs.into_iter().map(|input| Some(input.into())))?;
        let created = ctx.data::<Catalog>()?.create_many(new).await?;
        Ok(created.into_iter().map(Product::from).collect())
    }

    /// Changes a product and returns it as it is now.
    async fn update_product(&self, ctx: &Context<'_>, id: ID, input: UpdateProductInput) -> Result<Product> {
        let change = ProductChange::partial(&input.into())?;
        Ok(ctx.data::<Catalog>()?.update(existing_id(&id)?, change).await?.into())
    }

    /// Deletes a product and returns it as it was.
    async fn delete_product(&self, ctx: &Context<'_>, id: ID) -> Result<Product> {
        Ok(ctx.data::<Catalog>()?.delete(existing_id(&id)?).await?.into())
    }
}

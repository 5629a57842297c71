//! What can be changed. Every mutation can be null, so that one that fails does not hide what others did.

use async_graphql::{Context, ID, Object, Result};

use super::product::{CreateProductInput, Product, UpdateProductInput};
use crate::catalog::{
    Catalog, Delta, Error, Expected, NewProduct, NewProducts, ProductChange, Taken, Value, existing_id,
};

/// Changes the inventory.
pub struct Mutation;

#[Object]
impl Mutation {
    /// Creates a product.
    async fn create_product(&self, ctx: &Context<'_>, input: CreateProductInput) -> Result<Option<Product>> {
        let new = NewProduct::new(&input.into())?;
        Ok(Some(ctx.data::<Catalog>()?.create(new, Taken::Refuse).await?.into()))
    }

    /// Creates all of the products or none; the answer is in the order given.
    async fn create_products(
        &self,
        ctx: &Context<'_>,
        inputs: Vec<CreateProductInput>,
    ) -> Result<Option<Vec<Product>>> {
        let mut new = NewProducts::default();
        for input in inputs {
            new.push(Some(&input.into()));
        }
        let created = ctx.data::<Catalog>()?.create_many(new.all()?, Taken::Refuse).await?;
        Ok(Some(created.into_iter().map(Product::from).collect()))
    }

    /// Changes a product and returns it as it is now.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        id: ID,
        input: UpdateProductInput,
        #[graphql(desc = "Change the product only if it is at this version.")] expected_version: Option<
            String,
        >,
    ) -> Result<Option<Product>> {
        let id = existing_id(&id)?;
        let change = ProductChange::partial(id, &input.into())?;
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.update(id, change, &expected).await?.into()))
    }

    /// Deletes a product and returns it as it was.
    async fn delete_product(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(desc = "Delete the product only if it is at this version.")] expected_version: Option<
            String,
        >,
    ) -> Result<Option<Product>> {
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.delete(existing_id(&id)?, &expected).await?.into()))
    }

    /// Adds to a product's amount, or takes from it, however many do so at once; never below 0.
    async fn adjust_stock(
        &self,
        ctx: &Context<'_>,
        id: ID,
        #[graphql(desc = "How many pieces come; negative: go.")] delta: i32,
        #[graphql(desc = "Adjust the stock only if the product is at this version.")]
        expected_version: Option<String>,
    ) -> Result<Option<Product>> {
        let delta = Delta::new(&Value::Number(delta.to_string().into()))?;
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.move_stock(existing_id(&id)?, delta, &expected).await?.into()))
    }
}

fn expected(version: Option<&str>) -> Result<Expected, Error> {
    version.map_or(Ok(Expected::Unstated), Expected::version)
}

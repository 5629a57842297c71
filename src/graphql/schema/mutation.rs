//! What can be changed. Every mutation can be null, so that one that fails does not hide what others did.

use async_graphql::{Context, ID, Object, Result};

use super::{
    filter::ProductFilter,
    product::{CreateProductInput, Product, Products, ReplaceProductInput, UpdateProductInput},
};
use crate::catalog::{
    Catalog, Draft, Error, NewProduct, NewProducts, OnConflict, Precondition, ProductChange, StockAdjustment,
    Value, parse_product_id,
};

/// The root of mutations.
pub struct Mutation;

/// Changes the inventory. A mutation that fails is null and has an error; others beside it are done nevertheless.
#[Object]
impl Mutation {
    /// Creates a product.
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product.")] input: CreateProductInput,
    ) -> Result<Option<Product>> {
        let new = NewProduct::new(&input.into())?;
        Ok(Some(ctx.data::<Catalog>()?.create(new, OnConflict::Reject).await?.into()))
    }

    /// Creates all of the products or none; the answer is in the order given.
    async fn create_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The products.")] inputs: Vec<CreateProductInput>,
    ) -> Result<Option<Products>> {
        let created = ctx.data::<Catalog>()?.create_many(checked(inputs)?, OnConflict::Reject).await?;
        Ok(Some(created.into()))
    }

    /// Creates all of the products or none; one whose id is taken replaces what is there. The answer is in the
    /// order given.
    async fn upsert_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The products.")] inputs: Vec<CreateProductInput>,
    ) -> Result<Option<Products>> {
        let stored = ctx.data::<Catalog>()?.create_many(checked(inputs)?, OnConflict::Replace).await?;
        Ok(Some(stored.into()))
    }

    /// Changes a product and returns it as it is now.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its number.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateProductInput,
        #[graphql(desc = "Change the product only if it is at this version.")] expected_version: Option<
            String,
        >,
    ) -> Result<Option<Product>> {
        let id = parse_product_id(&id)?;
        let change = ProductChange::partial(id, &input.into())?;
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.update(id, change, &expected).await?.into()))
    }

    /// Replaces all of the products or none; the answer is in the order given.
    async fn replace_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The products, which have to be there.")] inputs: Vec<ReplaceProductInput>,
    ) -> Result<Option<Products>> {
        Ok(Some(ctx.data::<Catalog>()?.replace_many(checked(inputs)?).await?.into()))
    }

    /// Adds to a product's amount, or takes from it, however many do so at once; never below 0.
    async fn adjust_stock(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The product's number.")] id: ID,
        #[graphql(desc = "How many pieces come; negative: go.")] delta: i32,
        #[graphql(desc = "Adjust the stock only if the product is at this version.")]
        expected_version: Option<String>,
    ) -> Result<Option<Product>> {
        let delta = StockAdjustment::new(&Value::Number(delta.to_string().into()))?;
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.adjust_stock(parse_product_id(&id)?, delta, &expected).await?.into()))
    }

    /// Deletes a product and returns it as it was.
    async fn delete_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its number.")] id: ID,
        #[graphql(desc = "Delete the product only if it is at this version.")] expected_version: Option<
            String,
        >,
    ) -> Result<Option<Product>> {
        let expected = expected(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Catalog>()?.delete(parse_product_id(&id)?, &expected).await?.into()))
    }

    /// Deletes the products that pass the filter, and returns how many there were.
    async fn delete_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which products: at least one test.")] filter: ProductFilter,
    ) -> Result<Option<i32>> {
        let deleted = ctx.data::<Catalog>()?.delete_many(&filter.filter()?).await?;
        Ok(Some(i32::try_from(deleted).unwrap_or(i32::MAX)))
    }
}

/// All of them, if they are all good.
fn checked<T: Into<Draft<'static>>>(inputs: Vec<T>) -> Result<Vec<NewProduct>, Error> {
    let mut new = NewProducts::default();
    for input in inputs {
        new.push(Some(&input.into()));
    }
    new.all()
}

fn expected(version: Option<&str>) -> Result<Precondition, Error> {
    version.map_or(Ok(Precondition::None), Precondition::version)
}

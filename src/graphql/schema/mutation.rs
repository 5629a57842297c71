//! Mutations. All fields are nullable, so a failed mutation does not hide the results of the others.

use async_graphql::{Context, ID, Object, Result};

use super::{
    field_weight::{FieldWeight, Scans},
    filter::ProductFilter,
    product::{CreateProductInput, Product, Products, ReplaceProductInput, UpdateProductInput},
};
use crate::catalog::Writer;
use crate::domain::{
    Draft, Error, NewProduct, NewProducts, OnConflict, Precondition, ProductChange, StockAdjustment, Value,
    parse_product_id,
};

pub struct Mutation;

/// Weights of the mutations that cost more than the default.
pub const WEIGHTS: &[(&str, FieldWeight)] = &[
    ("createProducts", FieldWeight::per_item_of("inputs")),
    ("upsertProducts", FieldWeight::per_item_of("inputs")),
    ("replaceProducts", FieldWeight::per_item_of("inputs")),
    ("deleteProducts", FieldWeight { scans: Scans::Always, ..FieldWeight::DEFAULT }),
];

/// Mutations that need the scope `admin`. All others need `write`.
pub const ADMIN_MUTATIONS: &[&str] = &["deleteProducts"];

/// Changes to the inventory. A failed mutation returns null and an error; the other mutations still run.
#[Object]
impl Mutation {
    /// Creates a product.
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Product to create.")] input: CreateProductInput,
    ) -> Result<Option<Product>> {
        let new = NewProduct::new(&input.into())?;
        Ok(Some(ctx.data::<Writer>()?.create(new, OnConflict::Reject).await?.into()))
    }

    /// Creates all products or none. Results are in input order.
    async fn create_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Products to create.")] inputs: Vec<CreateProductInput>,
    ) -> Result<Option<Products>> {
        let created = ctx.data::<Writer>()?.create_many(validate(inputs)?, OnConflict::Reject).await?;
        Ok(Some(created.into()))
    }

    /// Creates or replaces all products, or none. A product whose ID exists is replaced. Results are in input order.
    async fn upsert_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Products to create.")] inputs: Vec<CreateProductInput>,
    ) -> Result<Option<Products>> {
        let stored = ctx.data::<Writer>()?.create_many(validate(inputs)?, OnConflict::Replace).await?;
        Ok(Some(stored.into()))
    }

    /// Updates the given fields of a product and returns the updated product.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Product ID.")] id: ID,
        #[graphql(desc = "Fields to change.")] input: UpdateProductInput,
        #[graphql(desc = "Update only if the version matches.")] expected_version: Option<String>,
    ) -> Result<Option<Product>> {
        let id = parse_product_id(&id)?;
        let change = ProductChange::partial(id, &input.into())?;
        let expected = precondition(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Writer>()?.update(id, change, &expected).await?.into()))
    }

    /// Replaces all products or none. Results are in input order.
    async fn replace_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Products to replace. All must exist.")] inputs: Vec<ReplaceProductInput>,
    ) -> Result<Option<Products>> {
        Ok(Some(ctx.data::<Writer>()?.replace_many(validate(inputs)?).await?.into()))
    }

    /// Adds a quantity to a product's amount; a negative quantity reduces the amount. Concurrent adjustments
    /// add up. The amount never drops below 0.
    async fn adjust_stock(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Product ID.")] id: ID,
        #[graphql(desc = "Quantity to add; a negative quantity reduces the amount.")] delta: i32,
        #[graphql(desc = "Adjust only if the version matches.")] expected_version: Option<String>,
    ) -> Result<Option<Product>> {
        let delta = StockAdjustment::new(&Value::Number(delta.into()))?;
        let expected = precondition(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Writer>()?.adjust_stock(parse_product_id(&id)?, delta, &expected).await?.into()))
    }

    /// Deletes a product and returns its last state.
    async fn delete_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Product ID.")] id: ID,
        #[graphql(desc = "Delete only if the version matches.")] expected_version: Option<String>,
    ) -> Result<Option<Product>> {
        let expected = precondition(expected_version.as_deref())?;
        Ok(Some(ctx.data::<Writer>()?.delete(parse_product_id(&id)?, &expected).await?.into()))
    }

    /// Deletes all products that match the filter, and returns their number.
    async fn delete_products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Products to delete. At least one condition is required.")] filter: ProductFilter,
    ) -> Result<Option<i32>> {
        let deleted = ctx.data::<Writer>()?.delete_many(&filter.into_filter()?).await?;
        Ok(Some(i32::try_from(deleted).unwrap_or(i32::MAX)))
    }
}

/// Validates all inputs. If any is invalid, returns the errors of every invalid one, up to 100 in total.
fn validate<T: Into<Draft<'static>>>(inputs: Vec<T>) -> Result<Vec<NewProduct>, Error> {
    let mut new = NewProducts::default();
    for input in inputs {
        new.push(Some(&input.into()));
    }
    new.finish()
}

fn precondition(version: Option<&str>) -> Result<Precondition, Error> {
    version.map_or(Ok(Precondition::None), Precondition::parse_version)
}

//! Product type and product inputs.

use std::borrow::Cow;

use async_graphql::{ID, InputObject, MaybeUndefined, Object};

use super::scalars::{Decimal, TextOf};
use crate::{
    domain::{self, Draft, Price, ProductId, Value, Version},
    graphql::prebuilt_json::{Prebuilt, PrebuiltList, prebuilt_object},
};

/// A product, owned or borrowed from a page.
pub struct ProductObject<'a>(Cow<'a, domain::Product>);

/// Product as the result of a root field.
pub type Product = Prebuilt<ProductObject<'static>>;

/// Products as the result of a mutation.
pub type Products = PrebuiltList<ProductObject<'static>>;

prebuilt_object! {
    /// A product in the inventory.
    #[Object(name = "Product")]
    ProductObject {
        /// Product ID, 1 to 9007199254740991.
        id: TextOf<ID, ProductId> = |product| TextOf::new(product.0.id),
        /// Product name.
        name: &str = |product| product.0.name.as_str(),
        /// Unit price, exact to four decimals.
        price: TextOf<Decimal, Price> = |product| TextOf::new(product.0.price),
        /// Units in stock.
        amount: i32 = |product| product.0.amount.get(),
        /// Version of the product, different after every change. REST uses it as the ETag.
        version: TextOf<String, Version> = |product| TextOf::new(product.0.version),
    }
}

impl From<domain::Product> for ProductObject<'_> {
    fn from(product: domain::Product) -> Self {
        Self(Cow::Owned(product))
    }
}

impl From<domain::Product> for Product {
    fn from(product: domain::Product) -> Self {
        Self(product.into())
    }
}

impl From<Vec<domain::Product>> for Products {
    fn from(products: Vec<domain::Product>) -> Self {
        Self(products.into_iter().map(ProductObject::from).collect())
    }
}

impl<'a> From<&'a domain::Product> for ProductObject<'a> {
    fn from(product: &'a domain::Product) -> Self {
        Self(Cow::Borrowed(product))
    }
}

/// A product to create.
#[derive(InputObject)]
pub struct CreateProductInput {
    /// Product ID, 1 to 9007199254740991. Generated if omitted.
    id: Option<ID>,
    /// Product name, 1 to 255 characters.
    name: String,
    /// Unit price, 0 to 9999999999.9999, with at most four decimals.
    price: Decimal,
    /// Units in stock, 0 to 2147483647.
    amount: i32,
}

impl From<CreateProductInput> for Draft<'static> {
    fn from(input: CreateProductInput) -> Self {
        let CreateProductInput { id, name, price, amount } = input;
        Self {
            // GraphQL's `ID` accepts any text. Only digits become a number; validation rejects text.
            id: match id {
                Some(ID(id)) if id.bytes().all(|byte| byte.is_ascii_digit()) => Value::Number(id.into()),
                Some(ID(id)) => Value::Text(id.into()),
                None => Value::Missing,
            },
            name: Value::Text(name.into()),
            price: Value::Number(price.0.into()),
            amount: Value::Number(amount.into()),
        }
    }
}

/// New values for all fields of a product.
#[derive(InputObject)]
pub struct ReplaceProductInput {
    /// Product ID.
    id: ID,
    /// Product name, 1 to 255 characters.
    name: String,
    /// Unit price, 0 to 9999999999.9999, with at most four decimals.
    price: Decimal,
    /// Units in stock, 0 to 2147483647.
    amount: i32,
}

impl From<ReplaceProductInput> for Draft<'static> {
    fn from(input: ReplaceProductInput) -> Self {
        let ReplaceProductInput { id, name, price, amount } = input;
        CreateProductInput { id: Some(id), name, price, amount }.into()
    }
}

/// Fields of a product to change. Omitted fields keep their value.
#[derive(InputObject)]
pub struct UpdateProductInput {
    /// Product name, 1 to 255 characters.
    name: MaybeUndefined<String>,
    /// Unit price, 0 to 9999999999.9999, with at most four decimals.
    price: MaybeUndefined<Decimal>,
    /// Units in stock, 0 to 2147483647.
    amount: MaybeUndefined<i32>,
}

impl From<UpdateProductInput> for Draft<'static> {
    fn from(input: UpdateProductInput) -> Self {
        let UpdateProductInput { name, price, amount } = input;
        Self {
            id: Value::Missing,
            name: value(name, |name| Value::Text(name.into())),
            price: value(price, |price| Value::Number(price.0.into())),
            amount: value(amount, |amount| Value::Number(amount.into())),
        }
    }
}

fn value<T>(input: MaybeUndefined<T>, convert: impl FnOnce(T) -> Value<'static>) -> Value<'static> {
    match input {
        MaybeUndefined::Undefined => Value::Missing,
        MaybeUndefined::Null => Value::Null,
        MaybeUndefined::Value(input) => convert(input),
    }
}

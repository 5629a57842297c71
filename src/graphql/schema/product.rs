//! The product as GraphQL shows it, and as it takes it in.

use std::borrow::Cow;

use async_graphql::{ID, InputObject, MaybeUndefined, Object, parser::types::Field};

use super::scalars::Decimal;
use crate::{
    catalog::{self, Draft, Value},
    formats::json,
    graphql::execution::prebuilt_json::{Item, List, One, text},
    json_string,
};

/// The fields of a product.
pub struct Shown<'a>(Cow<'a, catalog::Product>);

/// A product by itself.
pub type Product = One<Shown<'static>>;

/// Products of which nothing else is to be told.
pub type Products = List<Shown<'static>>;

/// A product in the inventory.
#[Object(name = "Product")]
impl Shown<'_> {
    /// Its number, from 1 to 9007199254740991.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What it is called.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// What one piece costs, exact to four decimals.
    async fn price(&self) -> Decimal {
        Decimal(self.0.price.to_string())
    }

    /// How many pieces are in stock.
    async fn amount(&self) -> i32 {
        self.0.amount.get()
    }

    /// Which state of the product this is: another one after every change. Its ETag in REST.
    async fn version(&self) -> String {
        self.0.version.to_string()
    }
}

impl Shown<'_> {
    /// As the catalog has it.
    pub fn product(&self) -> &catalog::Product {
        &self.0
    }
}

impl Item for Shown<'_> {
    fn write(&self, field: &Field, out: &mut Vec<u8>) -> Option<()> {
        let Self(product) = self;
        let mut digits = itoa::Buffer::new();
        match field.name.node.as_str() {
            "id" => json_string::write(out, digits.format(product.id.get())),
            "name" => json_string::write(out, product.name.as_str()),
            "price" => {
                out.push(b'"');
                json::write_price(out, product.price);
                out.push(b'"');
            }
            "amount" => out.extend_from_slice(digits.format(product.amount.get()).as_bytes()),
            "version" => text(&product.version, out),
            _ => return None,
        }
        Some(())
    }
}

impl From<catalog::Product> for Shown<'_> {
    fn from(product: catalog::Product) -> Self {
        Self(Cow::Owned(product))
    }
}

impl From<catalog::Product> for Product {
    fn from(product: catalog::Product) -> Self {
        Self(product.into())
    }
}

impl From<Vec<catalog::Product>> for Products {
    fn from(products: Vec<catalog::Product>) -> Self {
        Self(products.into_iter().map(Shown::from).collect())
    }
}

impl<'a> From<&'a catalog::Product> for Shown<'a> {
    fn from(product: &'a catalog::Product) -> Self {
        Self(Cow::Borrowed(product))
    }
}

/// A product to create.
#[derive(InputObject)]
pub struct CreateProductInput {
    /// Its number, from 1 to 9007199254740991; generated when left out.
    id: Option<ID>,
    /// What it is called: 1 to 255 characters.
    name: String,
    /// What one piece costs: 0 to 9999999999.9999, at most four decimals.
    price: Decimal,
    /// How many pieces are in stock, from 0.
    amount: i32,
}

impl From<CreateProductInput> for Draft<'static> {
    fn from(input: CreateProductInput) -> Self {
        let CreateProductInput { id, name, price, amount } = input;
        Self {
            // `ID` takes any text; an id is written in digits alone.
            id: match id {
                Some(ID(id)) if id.bytes().all(|byte| byte.is_ascii_digit()) => Value::Number(id.into()),
                Some(ID(id)) => Value::Text(id.into()),
                None => Value::Missing,
            },
            name: Value::Text(name.into()),
            price: Value::Number(price.0.into()),
            amount: Value::Number(amount.to_string().into()),
        }
    }
}

/// All of what a product is to be.
#[derive(InputObject)]
pub struct ReplaceProductInput {
    /// Its number.
    id: ID,
    /// What it is called: 1 to 255 characters.
    name: String,
    /// What one piece costs: 0 to 9999999999.9999, at most four decimals.
    price: Decimal,
    /// How many pieces are in stock, from 0.
    amount: i32,
}

impl From<ReplaceProductInput> for Draft<'static> {
    fn from(input: ReplaceProductInput) -> Self {
        let ReplaceProductInput { id, name, price, amount } = input;
        CreateProductInput { id: Some(id), name, price, amount }.into()
    }
}

/// What to change of a product; what is left out stays.
#[derive(InputObject)]
pub struct UpdateProductInput {
    /// What it is called: 1 to 255 characters.
    name: MaybeUndefined<String>,
    /// What one piece costs: 0 to 9999999999.9999, at most four decimals.
    price: MaybeUndefined<Decimal>,
    /// How many pieces are in stock, from 0.
    amount: MaybeUndefined<i32>,
}

impl From<UpdateProductInput> for Draft<'static> {
    fn from(input: UpdateProductInput) -> Self {
        let UpdateProductInput { name, price, amount } = input;
        Self {
            id: Value::Missing,
            name: value(name, |name| Value::Text(name.into())),
            price: value(price, |price| Value::Number(price.0.into())),
            amount: value(amount, |amount| Value::Number(amount.to_string().into())),
        }
    }
}

fn value<T>(sent: MaybeUndefined<T>, given: impl FnOnce(T) -> Value<'static>) -> Value<'static> {
    match sent {
        MaybeUndefined::Undefined => Value::Missing,
        MaybeUndefined::Null => Value::Null,
        MaybeUndefined::Value(sent) => given(sent),
    }
}

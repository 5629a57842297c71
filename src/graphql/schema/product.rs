//! Product type and product inputs.

use std::borrow::Cow;

use async_graphql::{ID, InputObject, MaybeUndefined, Object, parser::types::Field};

use super::scalars::Decimal;
use crate::{
    catalog::{self, Draft, Value},
    formats::json,
    graphql::prebuilt_json::{Prebuilt, PrebuiltList, WriteFields, write_quoted},
    json_string,
};

/// Resolvers of the product's fields.
pub struct ProductObject<'a>(Cow<'a, catalog::Product>);

/// Product as the result of a root field.
pub type Product = Prebuilt<ProductObject<'static>>;

/// Products as the result of a mutation.
pub type Products = PrebuiltList<ProductObject<'static>>;

/// A product in the inventory.
#[Object(name = "Product")]
impl ProductObject<'_> {
    /// Product ID, 1 to 9007199254740991.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Product name.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Unit price, exact to four decimals.
    async fn price(&self) -> Decimal {
        Decimal(self.0.price.to_string())
    }

    /// Units in stock.
    async fn amount(&self) -> i32 {
        self.0.amount.get()
    }

    /// Version of the product, different after every change. REST uses it as the ETag.
    async fn version(&self) -> String {
        self.0.version.to_string()
    }
}

impl ProductObject<'_> {
    pub fn product(&self) -> &catalog::Product {
        &self.0
    }
}

impl WriteFields for ProductObject<'_> {
    fn write_field(&self, field: &Field, out: &mut Vec<u8>) -> Option<()> {
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
            "version" => write_quoted(&product.version, out),
            _ => return None,
        }
        Some(())
    }
}

impl From<catalog::Product> for ProductObject<'_> {
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
        Self(products.into_iter().map(ProductObject::from).collect())
    }
}

impl<'a> From<&'a catalog::Product> for ProductObject<'a> {
    fn from(product: &'a catalog::Product) -> Self {
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
            // GraphQL's `ID` accepts any text, but a product id has digits only.
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
            amount: value(amount, |amount| Value::Number(amount.to_string().into())),
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

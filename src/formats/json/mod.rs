//! Products as JSON. They are read into drafts, each number exactly, and written straight into bytes: no floating point, no
//! tree on the way.

mod fast_path;

use std::{borrow::Cow, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    catalog::{Draft, NewProducts, Price, Product, Value},
    json_string,
};

/// A text that is no JSON.
#[derive(Debug, thiserror::Error)]
#[error("no JSON: {0}")]
pub struct Malformed(serde_json::Error);

impl Malformed {
    /// What is wrong with a line of a file, which JSON takes for the first of its own.
    pub fn without_line(&self) -> String {
        let text = self.0.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text);
        format!("is no JSON at column {}: {reason}", self.0.column())
    }
}

/// About what one product takes.
pub const PRODUCT_BYTES: usize = 96;

/// About the least that a product takes as it is sent: room for all of them has seldom to be made again.
const LEAST_BYTES: usize = 48;

/// Appends a product.
pub fn write_product(out: &mut Vec<u8>, product: &Product) {
    let Product { id, name, price, amount, version: _ } = product;
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(br#"{"id":"#);
    out.extend_from_slice(digits.format(id.get()).as_bytes());
    out.extend_from_slice(br#","name":"#);
    json_string::write(out, name.as_str());
    out.extend_from_slice(br#","price":"#);
    write_price(out, *price);
    out.extend_from_slice(br#","amount":"#);
    out.extend_from_slice(digits.format(amount.get()).as_bytes());
    out.push(b'}');
}

/// Appends the digits of a price.
pub fn write_price(out: &mut Vec<u8>, price: Price) {
    let (mut whole, mut decimals) = Default::default();
    for part in price.display_parts(&mut whole, &mut decimals) {
        out.extend_from_slice(part.as_bytes());
    }
}

/// What a body holds.
pub enum OneOrMany<'a> {
    /// A product; `None` is a value that is no object.
    One(Option<Draft<'a>>),
    /// An array of products, checked as they came.
    Many(NewProducts),
}

/// Reads one product or an array of them; the first byte tells which.
///
/// # Errors
/// [`Malformed`].
pub fn parse_one_or_many(text: &str) -> Result<OneOrMany<'_>, Malformed> {
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[') {
        parse_array(text).map(OneOrMany::Many)
    } else {
        parse_object(text).map(OneOrMany::One)
    }
}

/// Reads one object; `None` is any other JSON value.
///
/// # Errors
/// [`Malformed`].
pub fn parse_object<'a, T: ObjectFields<'a>>(text: &'a str) -> Result<Option<T>, Malformed> {
    match fast_path::parse_object(text) {
        Some(object) => Ok(Some(object)),
        None => serde_json::from_str(text).map(|ObjectOrOther(object)| object).map_err(Malformed),
    }
}

/// Reads an array of products, checked as they come.
///
/// # Errors
/// [`Malformed`], also where the text is no array.
pub fn parse_array(text: &str) -> Result<NewProducts, Malformed> {
    let mut products = NewProducts::with_capacity(text.len() / LEAST_BYTES);
    if fast_path::parse_array(text, |draft| products.push(Some(draft))).is_some() {
        return Ok(products);
    }
    drop(products);
    serde_json::from_str(text).map(|CheckedArray(products)| products).map_err(Malformed)
}

/// An object whose fields are known by name. Others are passed over, as the service before did.
pub trait ObjectFields<'a>: Default {
    /// Where the value of a field goes.
    fn field(&mut self, name: &str) -> Option<&mut Value<'a>>;
}

impl<'a> ObjectFields<'a> for Draft<'a> {
    fn field(&mut self, name: &str) -> Option<&mut Value<'a>> {
        match name {
            "id" => Some(&mut self.id),
            "name" => Some(&mut self.name),
            "price" => Some(&mut self.price),
            "amount" => Some(&mut self.amount),
            _ => None,
        }
    }
}

/// A stock movement as sent.
#[derive(Default)]
pub struct StockAdjustmentDraft<'a> {
    /// How many pieces come or go.
    pub delta: Value<'a>,
}

impl<'a> ObjectFields<'a> for StockAdjustmentDraft<'a> {
    fn field(&mut self, name: &str) -> Option<&mut Value<'a>> {
        (name == "delta").then_some(&mut self.delta)
    }
}

/// Any JSON value; only an object has fields.
struct ObjectOrOther<T>(Option<T>);

impl<'de, T: ObjectFields<'de>> Deserialize<'de> for ObjectOrOther<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectOrOtherVisitor(PhantomData)).map(ObjectOrOther)
    }
}

struct ObjectOrOtherVisitor<T>(PhantomData<T>);

impl<'de, T: ObjectFields<'de>> Visitor<'de> for ObjectOrOtherVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = T::default();
        while let Some(Text(name)) = map.next_key()? {
            let Some(field) = object.field(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let sent = value(map.next_value::<&RawValue>()?.get());
            *field = if *field == Value::Missing { sent } else { Value::Duplicate };
        }
        Ok(Some(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// An array whose items are checked as they are read.
struct CheckedArray(NewProducts);

impl<'de> Deserialize<'de> for CheckedArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(CheckedArrayVisitor).map(CheckedArray)
    }
}

struct CheckedArrayVisitor;

impl<'de> Visitor<'de> for CheckedArrayVisitor {
    type Value = NewProducts;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NewProducts, A::Error> {
        let mut products = NewProducts::default();
        while let Some(ObjectOrOther(draft)) = items.next_element::<ObjectOrOther<Draft>>()? {
            products.push(draft.as_ref());
        }
        Ok(products)
    }
}

/// Sorts a JSON value by its first byte; `serde_json` has checked its syntax.
fn value(json: &str) -> Value<'_> {
    match json.as_bytes().first() {
        // Without escapes it is what is between the quotes.
        Some(b'"') if !json.contains('\\') => Value::Text(json[1..json.len() - 1].into()),
        Some(b'"') => match serde_json::from_str::<Text>(json) {
            Ok(Text(text)) => Value::Text(text),
            Err(_) => Value::InvalidUnicode,
        },
        Some(b'-' | b'0'..=b'9') => Value::Number(json.into()),
        Some(b'n') => Value::Null,
        _ => Value::Other,
    }
}

/// A string, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

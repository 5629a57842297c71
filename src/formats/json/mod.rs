//! Products as JSON. The parser reads drafts with exact numbers, and the writer appends to a byte buffer.
//! Neither builds a tree of values nor uses floating point.

mod fast_path;

use std::{borrow::Cow, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    domain::{Draft, NewProducts, Price, Product, Value},
    json_string,
};

/// Syntax error in a JSON text.
#[derive(Debug, thiserror::Error)]
#[error("not valid JSON: {0}")]
pub struct MalformedJson(serde_json::Error);

impl MalformedJson {
    /// Returns a message without the line number, for a text that is one line of a file. `serde_json` counts
    /// lines within this text, so its line number is always 1.
    pub fn without_line(&self) -> String {
        let text = self.0.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text);
        format!("is not valid JSON at column {}: {reason}", self.0.column())
    }
}

/// Typical size of a product as JSON, in bytes.
pub const PRODUCT_BYTES: usize = 96;

/// Estimated minimum size of a product in a request, in bytes. Dividing the length of an array by it gives a
/// capacity that rarely has to grow.
const MIN_PRODUCT_BYTES: usize = 48;

/// Appends a product to `out`.
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

/// Appends a price to `out` as a number.
pub fn write_price(out: &mut Vec<u8>, price: Price) {
    let (mut whole, mut decimals) = Default::default();
    for part in price.display_parts(&mut whole, &mut decimals) {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Parsed body with one product or several.
pub enum OneOrMany<'a> {
    /// One product, not validated yet; `None` for a JSON value that is not an object.
    One(Option<Draft<'a>>),
    /// An array of products, with the result of their validation.
    Many(NewProducts),
}

/// Parses one product or an array of products.
///
/// # Errors
/// Returns [`MalformedJson`] if the text is not valid JSON.
pub fn parse_one_or_many(text: &str) -> Result<OneOrMany<'_>, MalformedJson> {
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[') {
        parse_array(text).map(OneOrMany::Many)
    } else {
        parse_object(text).map(OneOrMany::One)
    }
}

/// Parses an object. Returns `None` for any other JSON value.
///
/// # Errors
/// Returns [`MalformedJson`] if the text is not valid JSON.
pub fn parse_object<'a, T: ObjectFields<'a>>(text: &'a str) -> Result<Option<T>, MalformedJson> {
    match fast_path::parse_object(text) {
        Some(object) => Ok(Some(object)),
        None => serde_json::from_str(text).map(|ObjectOrOther(object)| object).map_err(MalformedJson),
    }
}

/// Parses an array of products and validates each of them.
///
/// # Errors
/// Returns [`MalformedJson`] if the text is not valid JSON or not an array.
pub fn parse_array(text: &str) -> Result<NewProducts, MalformedJson> {
    let mut products = NewProducts::with_capacity(text.len() / MIN_PRODUCT_BYTES);
    if fast_path::parse_array(text, |draft| products.push(Some(draft))).is_some() {
        return Ok(products);
    }
    drop(products);
    serde_json::from_str(text).map(|CheckedArray(products)| products).map_err(MalformedJson)
}

/// A type whose fields are read from a JSON object. Unknown fields are ignored, for compatibility with the
/// legacy service.
pub trait ObjectFields<'a>: Default {
    /// Returns the field with this name, or `None` if it is unknown.
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

/// A stock adjustment as sent, not validated yet.
#[derive(Default)]
pub struct StockAdjustmentDraft<'a> {
    /// Quantity to add; a negative quantity reduces the amount.
    pub delta: Value<'a>,
}

impl<'a> ObjectFields<'a> for StockAdjustmentDraft<'a> {
    fn field(&mut self, name: &str) -> Option<&mut Value<'a>> {
        (name == "delta").then_some(&mut self.delta)
    }
}

/// Any JSON value. `None` if it is not an object.
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
            let value = classify(map.next_value::<&RawValue>()?.get());
            *field = if *field == Value::Missing { value } else { Value::Duplicate };
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

/// An array of products, each validated as soon as it is parsed.
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

/// Converts a JSON value, whose kind the first byte shows. `serde_json` has already checked its syntax.
fn classify(json: &str) -> Value<'_> {
    match json.as_bytes().first() {
        // A string without escapes is the text between the quotes.
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

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;

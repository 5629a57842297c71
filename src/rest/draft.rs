//! Reads a body of one product or an array of them into drafts, each value with its digits as sent.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    catalog::{Draft, Value},
    problem::Problem,
};

/// What a body holds. An item that is no object is `None`.
pub enum Body<'a> {
    /// A product.
    One(Option<Draft<'a>>),
    /// An array of products.
    Many(Vec<Option<Draft<'a>>>),
}

/// Reads one product or an array of them; the first byte tells which.
pub fn one_or_many(text: &str) -> Result<Body<'_>, Problem> {
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('[') {
        let items: Vec<Item> = parse(text)?;
        Ok(Body::Many(items.into_iter().map(|Item(draft)| draft).collect()))
    } else {
        one(text).map(Body::One)
    }
}

/// Reads one product.
pub fn one(text: &str) -> Result<Option<Draft<'_>>, Problem> {
    parse(text).map(|Item(draft)| draft)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))
}

/// Any JSON value; only an object is a draft.
struct Item<'a>(Option<Draft<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor).map(Item)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Option<Draft<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a product")
    }

    /// Fields that a product does not have are passed over, as the service before did.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key::<Cow<str>>()? {
            let field = match &*key {
                "id" => &mut draft.id,
                "name" => &mut draft.name,
                "price" => &mut draft.price,
                "amount" => &mut draft.amount,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let sent = value(map.next_value::<&RawValue>()?.get());
            *field = if *field == Value::Missing { sent } else { Value::Repeated };
        }
        Ok(Some(draft))
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

/// Sorts a JSON value by its first byte; `serde_json` has checked its syntax.
fn value(json: &str) -> Value<'_> {
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Text>(json) {
            Ok(Text(text)) => Value::Text(text),
            Err(_) => Value::BrokenText,
        },
        Some(b'-' | b'0'..=b'9') => Value::Number(json.into()),
        Some(b'n') => Value::Null,
        _ => Value::Other,
    }
}

/// A string, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

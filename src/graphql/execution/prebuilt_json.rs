//! Objects that are there already, alone or in a list. The library makes a future for each field of each of them, and a
//! value; what needs no waiting is written at once instead, as the JSON that it will be.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, Write},
};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    parser::types::{Field, Selection, SelectionSet},
    registry::Registry,
};
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

/// Such an object.
pub struct One<T>(pub T);

/// A list of them.
pub struct List<T>(pub Vec<T>);

/// About what an object takes.
pub const OBJECT_BYTES: usize = 128;

/// What has fields that are there already.
pub trait Item: OutputType {
    /// Appends the value of a field; none where the library has to find it.
    fn write(&self, field: &Field, json: &mut Vec<u8>) -> Option<()>;
}

/// In the data of a request: it asks for a field twice, and what it asks of both is put together by the library.
pub struct Merging;

/// An object with the fields that are asked for; none where there is more to it than names: fragments, directives.
pub fn object(item: &impl Item, asked: &SelectionSet, json: &mut Vec<u8>) -> Option<()> {
    json.push(b'{');
    // None at all where the document had the library skip them.
    for (place, selection) in asked.items.iter().enumerate() {
        let Selection::Field(field) = &selection.node else {
            return None;
        };
        if !field.node.directives.is_empty() {
            return None;
        }
        json.extend_from_slice(if place > 0 { b",\"" } else { b"\"" });
        json.extend_from_slice(field.node.response_key().node.as_bytes());
        json.extend_from_slice(b"\":");
        if field.node.name.node == "__typename" {
            text(&item.introspection_type_name(), json);
        } else {
            item.write(&field.node, json)?;
        }
    }
    json.push(b'}');
    Some(())
}

fn list(items: &[impl Item], asked: &SelectionSet) -> Option<Vec<u8>> {
    let mut json = vec![b'['];
    for item in items {
        object(item, asked, &mut json)?;
        json.push(b',');
    }
    json.pop_if(|last| *last == b',');
    json.push(b']');
    Some(json)
}

/// A text that needs no escapes.
pub fn text(value: &impl Display, json: &mut Vec<u8>) {
    // Writing to a Vec can't fail.
    drop(write!(json, "\"{value}\""));
}

/// What a field answers: written at once where that can be, else the way of the library.
fn written(
    ctx: &ContextSelectionSet<'_>,
    write: impl FnOnce(&SelectionSet) -> Option<Vec<u8>>,
) -> Option<Value> {
    if ctx.data_opt::<Merging>().is_some() {
        return None;
    }
    // The library's way to carry bytes; nothing else in the schema is of that kind.
    write(&ctx.item.node).map(|json| Value::Binary(json.into()))
}

/// In the schema it is an object like any other.
impl<T: Item> OutputType for One<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let write = |asked: &SelectionSet| {
            let mut json = Vec::with_capacity(OBJECT_BYTES);
            object(&self.0, asked, &mut json).map(|()| json)
        };
        match written(ctx, write) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// In the schema it is a list like any other.
impl<T: Item> OutputType for List<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        match written(ctx, |asked| list(&self.0, asked)) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// The JSON of what may have such objects in it.
pub fn json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    // Writing to a Vec can't fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut json, AsItIs));
    json
}

struct AsItIs;

impl Formatter for AsItIs {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, json: &[u8]) -> io::Result<()> {
        writer.write_all(json)
    }
}

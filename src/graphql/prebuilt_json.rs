//! Prebuilt JSON: JSON of loaded objects, written without async-graphql's values. async-graphql would create
//! a future and a `Value` for each field.

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

use crate::{graphql::execution::selected_fields::PLACEHOLDER, json_string};

/// A loaded object, resolved to prebuilt JSON.
pub struct Prebuilt<T>(pub T);

/// A list of loaded objects, resolved to prebuilt JSON.
pub struct PrebuiltList<T>(pub Vec<T>);

/// Estimated size of an object's JSON in bytes, used as the initial capacity of buffers.
pub const OBJECT_BYTES: usize = 128;

/// A value that can be written as JSON synchronously.
pub trait WriteJson: OutputType {
    /// Appends the value with the selected fields. Returns `None` if async-graphql must resolve the value.
    fn write_json(&self, selection: &SelectionSet, json: &mut Vec<u8>) -> Option<()>;
}

/// An object whose fields can be written as JSON synchronously. [`prebuilt_object`] implements this trait.
pub trait WriteFields: OutputType {
    /// Appends the value of a field. Returns `None` if async-graphql must resolve the field.
    fn write_field(&self, field: &Field, json: &mut Vec<u8>) -> Option<()>;
}

/// Defines an object's fields, each with its type and value, both as async-graphql resolvers and as prebuilt
/// JSON. Each field name must be a single word, because async-graphql converts names to camel case.
macro_rules! prebuilt_object {
    (
        $(#[$object_attribute:meta])*
        $object:ident {
            $($(#[$field_attribute:meta])* $field:ident: $type:ty = |$this:ident| $value:expr,)*
        }
    ) => {
        $(#[$object_attribute])*
        impl $object<'_> {
            $(
                $(#[$field_attribute])*
                async fn $field(&self) -> $type {
                    let $this = self;
                    $value
                }
            )*
        }

        impl $crate::graphql::prebuilt_json::WriteFields for $object<'_> {
            fn write_field(&self, field: &async_graphql::parser::types::Field, json: &mut Vec<u8>) -> Option<()> {
                use $crate::graphql::prebuilt_json::WriteJson;
                let selection = &field.selection_set.node;
                match field.name.node.as_str() {
                    $(
                        stringify!($field) => {
                            let $this = self;
                            let value: $type = $value;
                            value.write_json(selection, json)
                        }
                    )*
                    _ => None,
                }
            }
        }
    };
}
pub(in crate::graphql) use prebuilt_object;

/// Request data that disables prebuilt JSON. It is added if the document selects a field more than once,
/// because async-graphql must merge these selections.
pub struct HasMergedFields;

impl<T: WriteFields> WriteJson for T {
    /// Returns `None` if the selection has fragments or directives.
    fn write_json(&self, selection: &SelectionSet, json: &mut Vec<u8>) -> Option<()> {
        json.push(b'{');
        for (index, item) in selection.items.iter().enumerate() {
            let Selection::Field(field) = &item.node else {
                return None;
            };
            if !field.node.directives.is_empty() {
                return None;
            }
            // The placeholder is the only field if `@skip` or `@include` has removed every other.
            if field.node.response_key().node == PLACEHOLDER {
                continue;
            }
            json.extend_from_slice(if index > 0 { b",\"" } else { b"\"" });
            json.extend_from_slice(field.node.response_key().node.as_bytes());
            json.extend_from_slice(b"\":");
            if field.node.name.node == "__typename" {
                write_quoted(&self.introspection_type_name(), json);
            } else {
                self.write_field(&field.node, json)?;
            }
        }
        json.push(b'}');
        Some(())
    }
}

impl WriteJson for i32 {
    fn write_json(&self, _: &SelectionSet, json: &mut Vec<u8>) -> Option<()> {
        json.extend_from_slice(itoa::Buffer::new().format(*self).as_bytes());
        Some(())
    }
}

impl WriteJson for &str {
    fn write_json(&self, _: &SelectionSet, json: &mut Vec<u8>) -> Option<()> {
        json_string::write(json, self);
        Some(())
    }
}

fn list_json(objects: &[impl WriteFields], selection: &SelectionSet) -> Option<Vec<u8>> {
    let mut json = vec![b'['];
    for object in objects {
        object.write_json(selection, &mut json)?;
        json.push(b',');
    }
    json.pop_if(|last| *last == b',');
    json.push(b']');
    Some(json)
}

/// Appends a value in quotes. Its text must not need escapes.
pub fn write_quoted(value: &impl Display, json: &mut Vec<u8>) {
    // Writing to a Vec can't fail.
    drop(write!(json, "\"{value}\""));
}

/// Returns the field's value as prebuilt JSON, or `None` if async-graphql must resolve it.
fn prebuilt(
    ctx: &ContextSelectionSet<'_>,
    write: impl FnOnce(&SelectionSet) -> Option<Vec<u8>>,
) -> Option<Value> {
    if ctx.data_opt::<HasMergedFields>().is_some() {
        return None;
    }
    // `Binary` carries bytes through async-graphql. No other output of the schema uses it.
    write(&ctx.item.node).map(|json| Value::Binary(json.into()))
}

/// Its type in the schema is `T`.
impl<T: WriteFields> OutputType for Prebuilt<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let write = |selection: &SelectionSet| {
            let mut json = Vec::with_capacity(OBJECT_BYTES);
            self.0.write_json(selection, &mut json).map(|()| json)
        };
        match prebuilt(ctx, write) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// Its type in the schema is a list of `T`.
impl<T: WriteFields> OutputType for PrebuiltList<T> {
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
        match prebuilt(ctx, |selection| list_json(&self.0, selection)) {
            Some(value) => Ok(value),
            None => self.0.resolve(ctx, field).await,
        }
    }
}

/// Serializes a response that may contain prebuilt JSON.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    // Writing to a Vec can't fail.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut json, RawBytesFormatter));
    json
}

/// JSON formatter that writes byte arrays unchanged, because they are prebuilt JSON.
struct RawBytesFormatter;

impl Formatter for RawBytesFormatter {
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, json: &[u8]) -> io::Result<()> {
        writer.write_all(json)
    }
}

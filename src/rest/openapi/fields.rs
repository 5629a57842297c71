//! Schemas of a product's fields, shared by all bodies.

use utoipa::openapi::{
    KnownFormat, Object, ObjectBuilder, SchemaFormat,
    schema::{SchemaType, Type},
};

use crate::domain::{Amount, Name, ProductId};

/// A text without control characters, which neither starts nor ends with white space, between optional white space.
const NAME_PATTERN: &str = r"^\s*[^\s\x00-\x1F\x7F-\x9F]([^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F])?\s*$";

pub(super) fn id() -> Object {
    id_with(Type::Integer.into(), "Id, chosen by the client or generated")
}

/// Returns the schema of an id that may be omitted or null, as in the legacy service.
pub(super) fn optional_id() -> Object {
    let kind = SchemaType::from_iter([Type::Integer, Type::Null]);
    id_with(kind, "Id; generated if omitted. In `PUT`, it must match the path")
}

fn id_with(kind: SchemaType, description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(kind)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(description))
        .minimum(Some(1))
        .maximum(Some(ProductId::MAX))
        .build()
}

pub(super) fn name() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Name without control characters; surrounding white space is removed"))
        .min_length(Some(1))
        .max_length(Some(Name::MAX_CHARS))
        .pattern(Some(NAME_PATTERN))
        .build()
}

/// Returns the schema of a price. It has no `multipleOf`, because validators divide in binary floating point,
/// where 19.99 is not a multiple of 0.0001.
pub(super) fn price() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
        .description(Some("Price per unit, exact to four decimals"))
        .minimum(Some(0))
        .maximum(Some(9_999_999_999.999_9))
        .build()
}

pub(super) fn amount() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .description(Some("Units in stock"))
        .minimum(Some(0))
        .maximum(Some(Amount::MAX))
        .build()
}

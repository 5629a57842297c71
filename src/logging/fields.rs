//! The fields of spans as JSON. Each request has a span, and few of them are ever in a line: so they are written straight
//! into one text, where `JsonFields` makes a tree of values first.

use std::fmt::{self, Debug};

use serde::{Serialize, Serializer as _};
use serde_json::Serializer;
use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

use crate::quoted;

/// About what the fields of a request take.
const USUAL_BYTES: usize = 192;

/// Writes fields as the members of a JSON object, as [`tracing_subscriber::fmt::format::Json`] reads them.
pub struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        writer.write_str(&Members::of("{}").with(&fields)?)
    }

    fn add_fields(&self, known: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        // One that was recorded before is there twice then; who reads takes the last.
        known.fields = Members::of(&known.fields).with(fields)?;
        Ok(())
    }
}

/// An object that is not closed yet.
struct Members(Vec<u8>);

impl Members {
    /// Those that an object has already.
    fn of(object: &str) -> Self {
        let mut members = Vec::with_capacity(USUAL_BYTES);
        members.extend_from_slice(object.strip_suffix('}').unwrap_or("{").as_bytes());
        Self(members)
    }

    fn with(mut self, fields: &impl RecordFields) -> Result<String, fmt::Error> {
        fields.record(&mut self);
        self.0.push(b'}');
        String::from_utf8(self.0).map_err(|_| fmt::Error)
    }

    fn add(&mut self, field: &Field, value: &impl Serialize) {
        self.name(field);
        // Writing to a Vec can't fail.
        drop(serde_json::to_writer(&mut self.0, value));
    }

    fn name(&mut self, field: &Field) {
        self.0.extend_from_slice(if self.0.len() > 1 { b",\"" } else { b"\"" });
        // One of Rust's: nothing in it has to be escaped.
        self.0.extend_from_slice(field.name().as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        drop(Serializer::new(&mut self.0).collect_str(&format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        quoted::write(&mut self.0, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, &value);
    }
}

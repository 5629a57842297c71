//! One invalid field of a request: its location, its name and what is wrong.

use std::{borrow::Cow, fmt};

/// Location of a product in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The whole request.
    Root,
    /// Index in an array, from 0.
    Index(usize),
    /// First line of the product in a file, from 1.
    Line(u64),
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Location of the product.
    pub location: Location,
    /// Name of the field; empty for the product as a whole.
    pub field: &'static str,
    /// Error message without its subject, which is the name of the field.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Returns the JSON Pointer to the field (RFC 6901), relative to the request body. In a file, it is
    /// relative to the product.
    pub fn pointer(&self) -> String {
        let index =
            if let Location::Index(index) = self.location { format!("/{index}") } else { String::new() };
        if self.field.is_empty() { index } else { format!("{index}/{}", self.field) }
    }

    /// Returns the line of the product in a file, or `None` if the product is not in a file.
    pub fn line(&self) -> Option<u64> {
        if let Location::Line(line) = self.location { Some(line) } else { None }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.location, self.field) {
            (Location::Root, "") => write!(f, "the product {}", self.detail),
            (location, "") => write!(f, "{location} {}", self.detail),
            (Location::Root, field) => write!(f, "{field} {}", self.detail),
            (location @ Location::Index(_), field) => write!(f, "{field} of {location}: {}", self.detail),
            (location @ Location::Line(_), field) => write!(f, "{field} on {location}: {}", self.detail),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the product"),
            Self::Index(index) => write!(f, "product {index}"),
            Self::Line(line) => write!(f, "line {line}"),
        }
    }
}

/// Field errors, displayed as the first one and the number of the others.
pub(super) struct FieldErrors<'a>(pub &'a [FieldError]);

impl fmt::Display for FieldErrors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else {
            return Ok(());
        };
        first.fmt(f)?;
        if rest.is_empty() { Ok(()) } else { write!(f, ", and {} more", rest.len()) }
    }
}

//! A fast parser for objects as most clients send them. No known field is repeated. Each value is a string
//! without escapes, or a number of at most 18 digits without an exponent.
//!
//! `serde_json` is slower. It parses all other input and produces the error messages.

use super::{ObjectFields, Value};
use crate::{domain::DecimalText, json_string};

/// Parses one object. Returns `None` if this parser does not support the text.
pub fn parse_object<'a, T: ObjectFields<'a>>(text: &'a str) -> Option<T> {
    let mut parser = Parser::new(text);
    let object = parser.object()?;
    parser.finish()?;
    Some(object)
}

/// Parses an array of objects and calls `each` with every object.
///
/// Returns `None` if this parser does not support the text. The caller must discard all objects.
pub fn parse_array<'a, T: ObjectFields<'a>>(text: &'a str, mut each: impl FnMut(&T)) -> Option<()> {
    let mut parser = Parser::new(text);
    parser.eat(b'[')?;
    if parser.eat(b']').is_none() {
        each(&parser.object()?);
        while parser.eat(b',').is_some() {
            each(&parser.object()?);
        }
        parser.eat(b']')?;
    }
    parser.finish()
}

struct Parser<'a> {
    text: &'a str,
    /// Remaining input.
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    fn object<T: ObjectFields<'a>>(&mut self) -> Option<T> {
        let mut object = T::default();
        self.eat(b'{')?;
        if self.eat(b'}').is_some() {
            return Some(object);
        }
        loop {
            let name = self.string()?;
            self.eat(b':')?;
            let value = match self.peek()? {
                b'"' => Value::Text(self.string()?.into()),
                _ => Value::Number(self.number()?),
            };
            match object.field(name) {
                Some(field @ Value::Missing) => *field = value,
                Some(_) => return None,
                // Unknown fields are ignored.
                None => {}
            }
            if self.eat(b',').is_none() {
                self.eat(b'}')?;
                return Some(object);
            }
        }
    }

    /// Parses a string without escapes. Returns `None` for any other value.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.text.len() - self.rest.len();
        let length = json_string::unescaped_prefix_len(self.rest);
        self.rest = self.rest[length..].strip_prefix(b"\"")?;
        self.text.get(start..start + length)
    }

    fn number(&mut self) -> Option<DecimalText<'a>> {
        // JSON does not allow leading zeros, but `DecimalText` does.
        if let [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] = self.rest {
            return None;
        }
        let (number, rest) = DecimalText::parse_prefix(self.rest)?;
        self.rest = rest;
        Some(number)
    }

    /// Skips white space and consumes `byte`. Returns `None` if another byte follows.
    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.rest = &self.rest[1..])
    }

    /// Checks the end of the text. Returns `None` if anything but white space is left.
    fn finish(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Skips white space. Returns the next byte without consuming it, or `None` at the end of the input.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }
}

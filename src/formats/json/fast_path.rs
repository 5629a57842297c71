//! Objects in the spelling that most clients use: each field once, and a string without escapes or a number of no more than
//! 18 digits without exponent. They are read in one pass, which takes less than `serde_json`; that reads whatever else there
//! is, and tells what is wrong with what is no JSON.

use super::{ObjectFields, Value};
use crate::{catalog::DecimalText, json_string};

/// The object that the whole text is, if it is one in the usual spelling.
pub fn parse_object<'a, T: ObjectFields<'a>>(text: &'a str) -> Option<T> {
    let mut reader = Reader::new(text);
    let object = reader.object()?;
    reader.end()?;
    Some(object)
}

/// Hands over the objects of the array that the whole text is. Where it ends with nothing, all that was handed over is void.
pub fn parse_array<'a, T: ObjectFields<'a>>(text: &'a str, mut each: impl FnMut(&T)) -> Option<()> {
    let mut reader = Reader::new(text);
    reader.take(b'[')?;
    if reader.take(b']').is_none() {
        each(&reader.object()?);
        while reader.take(b',').is_some() {
            each(&reader.object()?);
        }
        reader.take(b']')?;
    }
    reader.end()
}

struct Reader<'a> {
    text: &'a str,
    /// What is not read yet.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    fn object<T: ObjectFields<'a>>(&mut self) -> Option<T> {
        let mut object = T::default();
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(object);
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            let value = match self.next()? {
                b'"' => Value::Text(self.string()?.into()),
                _ => Value::Number(self.number()?),
            };
            match object.field(name) {
                Some(field @ Value::Missing) => *field = value,
                Some(_) => return None,
                // Passed over.
                None => {}
            }
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(object);
            }
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.text.len() - self.rest.len();
        let length = json_string::unescaped_prefix_len(self.rest);
        self.rest = self.rest[length..].strip_prefix(b"\"")?;
        self.text.get(start..start + length)
    }

    fn number(&mut self) -> Option<DecimalText<'a>> {
        // JSON has no zeros in front; `Number` takes them.
        if let [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] = self.rest {
            return None;
        }
        let (number, rest) = DecimalText::parse_prefix(self.rest)?;
        self.rest = rest;
        Some(number)
    }

    /// Passes over this byte, if it is what comes next.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.rest = &self.rest[1..])
    }

    fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    /// What comes behind white space.
    fn next(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }
}

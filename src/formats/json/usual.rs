//! Objects in the spelling that most clients use: each field once, and a string without escapes or a number without
//! exponent. They are read in one pass, which takes less than `serde_json`; that reads whatever else there is, and tells
//! what is wrong with what is no JSON.

use memchr::memchr;

use super::{Fields, Value};
use crate::quoted::is_plain;

/// The object that the whole text is, if it is one in the usual spelling.
pub fn one<'a, T: Fields<'a>>(text: &'a str) -> Option<T> {
    let mut reader = Reader { text, place: 0 };
    let object = reader.object()?;
    reader.end()?;
    Some(object)
}

/// Hands over the objects of the array that the whole text is. Where it ends with nothing, all that was handed over is void.
pub fn many<'a, T: Fields<'a>>(text: &'a str, mut each: impl FnMut(&T)) -> Option<()> {
    let mut reader = Reader { text, place: 0 };
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
    place: usize,
}

impl<'a> Reader<'a> {
    fn object<T: Fields<'a>>(&mut self) -> Option<T> {
        let mut object = T::default();
        self.take(b'{')?;
        if self.take(b'}').is_some() {
            return Some(object);
        }
        loop {
            let name = self.string()?;
            self.take(b':')?;
            let value = match self.next()? {
                b'"' => Value::Text(self.string().filter(|text| is_plain(text))?.into()),
                _ => Value::Number(self.number()?.into()),
            };
            match object.field(name) {
                Some(field @ Value::Missing) => *field = value,
                // Passed over, as long as this is where its name ends.
                None if is_plain(name) => {}
                _ => return None,
            }
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(object);
            }
        }
    }

    /// What is between two quotes, which need not be all of the string unless it is plain.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.place;
        let end = start + memchr(b'"', &self.text.as_bytes()[start..])?;
        let string = self.text.get(start..end)?;
        self.place = end + 1;
        Some(string)
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.place;
        self.place += usize::from(self.here() == Some(b'-'));
        let leads_with_zero = self.here() == Some(b'0');
        let whole = self.digits()?;
        if leads_with_zero && whole > 1 {
            return None;
        }
        if self.here() == Some(b'.') {
            self.place += 1;
            self.digits()?;
        }
        self.text.get(start..self.place)
    }

    /// Passes over digits and tells how many they are, if there are any.
    fn digits(&mut self) -> Option<usize> {
        let start = self.place;
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.place += 1;
        }
        (self.place > start).then_some(self.place - start)
    }

    /// Passes over this byte, if it is what comes next.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.place += 1)
    }

    fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    /// What comes behind white space.
    fn next(&mut self) -> Option<u8> {
        while let Some(byte) = self.here() {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.place += 1;
        }
        None
    }

    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }
}

//! Documents that were read before: what is known of them, by their text, and their texts by hash (automatic persisted
//! queries, as Apollo's clients send them).

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Name, ServerError, Value,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationDefinition},
    },
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest, Sha256};

use super::{
    cached_validation::{Found, has_variables_in_values},
    cost::Limits,
    field_order::Shape,
};
use crate::graphql::{
    error::{self, GraphqlErrorCode, Refusal},
    transport::request::Asked,
};

/// All the texts in each of the caches, in bytes; a parsed document takes about twenty times its text, and a field of its
/// shape, which fragments may multiply, as much as five more bytes of text.
const MAX_BYTES: u64 = 512 << 10;
const BYTES_OF_FIELD: usize = 5;
/// About as many documents as that are.
const DOCUMENTS: usize = 1000;

type Hash = [u8; 32];

/// A document, and what was found out of it.
pub struct Known {
    pub document: ExecutableDocument,
    /// Of its only operation.
    shape: OnceLock<Arc<Shape>>,
    /// Whether it has just one operation.
    is_single: bool,
    /// None where it is to be validated for each request.
    pub found: Option<Arc<Found>>,
}

/// Both caches.
pub struct Documents {
    parsed: Cache<Arc<str>, Arc<Known>, Length>,
    persisted: Cache<Hash, Arc<str>, Length>,
}

#[derive(Clone)]
struct Length;

impl Weighter<Arc<str>, Arc<Known>> for Length {
    fn weight(&self, text: &Arc<str>, known: &Arc<Known>) -> u64 {
        let fields = known.shape.get().map_or(0, |shape| shape.size());
        (text.len() + BYTES_OF_FIELD * fields) as u64
    }
}

impl Weighter<Hash, Arc<str>> for Length {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        text.len() as u64
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            parsed: Cache::with_weighter(DOCUMENTS, MAX_BYTES, Length),
            persisted: Cache::with_weighter(DOCUMENTS, MAX_BYTES, Length),
        }
    }
}

impl Known {
    fn new(document: ExecutableDocument) -> Self {
        let is_single = document.operations.iter().count() == 1;
        let found = (is_single && !has_variables_in_values(&document)).then(Arc::default);
        Self { document, shape: OnceLock::new(), is_single, found }
    }

    /// Its only operation, with its name if it has one; none where there are several.
    pub fn only(&self) -> Option<(Option<&Name>, &OperationDefinition)> {
        let (name, operation) = self.document.operations.iter().next().filter(|_| self.is_single)?;
        Some((name, &operation.node))
    }

    /// The shape of an operation's answer; the cost of the document must have been checked.
    pub fn shape(&self, operation: &OperationDefinition) -> Arc<Shape> {
        let shape = || Arc::new(Shape::of(&self.document, operation));
        if self.is_single { self.shape.get_or_init(shape).clone() } else { shape() }
    }
}

impl Documents {
    /// The parsed document of a text; one that is kept has passed the limits of texts before.
    pub fn parse(&self, text: &str, limits: &Limits) -> Result<Arc<Known>, Box<ServerError>> {
        if let Some(known) = self.parsed.get(text) {
            return Ok(known);
        }
        limits.check_text(text).map_err(error::refused)?;
        Ok(Arc::new(Known::new(parse_query(text).map_err(error::unreadable)?)))
    }

    /// Puts the text into a request that has only its hash. The hash of a text that came with it is returned, to be
    /// kept by [`Documents::keep`] when the text is known to be good.
    pub fn find_text(&self, asked: &mut Asked) -> Result<Option<Hash>, Refusal> {
        let Some(Value::Object(persisted)) = asked.extensions.get("persistedQuery") else {
            return Ok(None);
        };
        let hash = match persisted.get("sha256Hash") {
            Some(Value::String(hash)) => parse_hash(hash),
            _ => None,
        };
        let hash = hash.ok_or_else(|| {
            let detail = "persistedQuery needs a sha256Hash of 64 hexadecimal digits";
            (GraphqlErrorCode::Malformed, detail.to_owned())
        })?;
        if !asked.query.is_empty() {
            if Hash::from(Sha256::digest(asked.query.as_bytes())) != hash {
                let detail = "provided sha does not match query";
                return Err((GraphqlErrorCode::PersistedQueryMismatch, detail.to_owned()));
            }
            return Ok(Some(hash));
        }
        // The words are what clients look for.
        let unknown = || (GraphqlErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound".to_owned());
        asked.query = self.persisted.get(&hash).ok_or_else(unknown)?.to_string().into();
        Ok(None)
    }

    /// Keeps a document to be found by its text, and by its hash if it came with one. Its shape has been made before, where
    /// there is one to be kept.
    pub fn keep(&self, hash: Option<Hash>, text: &str, known: &Arc<Known>) {
        if let Some(hash) = hash {
            self.persisted.insert(hash, text.into());
        }
        if self.parsed.peek(text).is_none() {
            self.parsed.insert(text.into(), known.clone());
        }
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut hash = Hash::default();
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

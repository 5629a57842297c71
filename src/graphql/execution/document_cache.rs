//! Cache of parsed documents by their text, and of texts by their hash (Apollo's automatic persisted
//! queries).

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Name, Request, ServerError, Value,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationDefinition},
    },
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest, Sha256};

use super::{
    cached_validation::{LastValidated, has_nested_variables},
    exact_numbers::restore_digits,
    field_order::FieldOrder,
    limits::Limits,
};
use crate::graphql::error::{self, GraphqlErrorCode, RequestError};

/// Capacity of each cache, in bytes of text. A parsed document takes about twenty times the memory of its
/// text.
const MAX_BYTES: u64 = 512 << 10;
/// Weight of a field in a [`FieldOrder`], in bytes of text. Fragments can multiply the fields of a document.
const FIELD_WEIGHT: usize = 5;
/// Estimated number of documents in a full cache.
const ESTIMATED_DOCUMENTS: usize = 1000;

type Hash = [u8; 32];

/// A parsed document and the results computed from it.
pub struct CachedDocument {
    pub ast: ExecutableDocument,
    /// Field order of the only operation, unset if the document has several operations.
    field_order: OnceLock<Arc<FieldOrder>>,
    /// Whether the document has exactly one operation.
    is_single: bool,
    /// Last successful validation. `None` if the document must be validated for each request.
    pub last_validated: Option<Arc<LastValidated>>,
}

pub struct DocumentCache {
    parsed: Cache<Arc<str>, Arc<CachedDocument>, TextWeighter>,
    persisted: Cache<Hash, Arc<str>, TextWeighter>,
}

#[derive(Clone)]
struct TextWeighter;

impl Weighter<Arc<str>, Arc<CachedDocument>> for TextWeighter {
    fn weight(&self, text: &Arc<str>, document: &Arc<CachedDocument>) -> u64 {
        let fields = document.field_order.get().map_or(0, |order| order.total_field_count());
        (text.len() + FIELD_WEIGHT * fields) as u64
    }
}

impl Weighter<Hash, Arc<str>> for TextWeighter {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        text.len() as u64
    }
}

impl Default for DocumentCache {
    fn default() -> Self {
        Self {
            parsed: Cache::with_weighter(ESTIMATED_DOCUMENTS, MAX_BYTES, TextWeighter),
            persisted: Cache::with_weighter(ESTIMATED_DOCUMENTS, MAX_BYTES, TextWeighter),
        }
    }
}

impl CachedDocument {
    fn new(ast: ExecutableDocument) -> Self {
        let is_single = ast.operations.iter().count() == 1;
        let last_validated = (is_single && !has_nested_variables(&ast)).then(Arc::default);
        Self { ast, field_order: OnceLock::new(), is_single, last_validated }
    }

    /// Returns the only operation and its name, or `None` if the document has several operations.
    pub fn single_operation(&self) -> Option<(Option<&Name>, &OperationDefinition)> {
        let (name, operation) = self.ast.operations.iter().next().filter(|_| self.is_single)?;
        Some((name, &operation.node))
    }

    /// Returns the field order of an operation. The caller must have checked the document's cost.
    pub fn field_order(&self, operation: &OperationDefinition) -> Arc<FieldOrder> {
        let compute = || Arc::new(FieldOrder::new(&self.ast, operation));
        if self.is_single { self.field_order.get_or_init(compute).clone() } else { compute() }
    }
}

impl DocumentCache {
    /// Returns a document from the cache, or parses its text. Cached documents have passed the limits on
    /// text.
    pub fn parse(&self, text: &str, limits: &Limits) -> Result<Arc<CachedDocument>, Box<ServerError>> {
        if let Some(document) = self.parsed.get(text) {
            return Ok(document);
        }
        limits.check_text(text).map_err(error::request_error)?;
        let mut ast = parse_query(text).map_err(error::syntax_error)?;
        restore_digits(&mut ast, text);
        Ok(Arc::new(CachedDocument::new(ast)))
    }

    /// Adds the cached text to a request that has only a hash. Returns the hash if the request has both. The
    /// caller passes the hash to [`DocumentCache::insert`] once the document has passed the limits.
    pub fn resolve_persisted_query(&self, request: &mut Request) -> Result<Option<Hash>, RequestError> {
        let Some(Value::Object(persisted)) = request.extensions.get("persistedQuery") else {
            return Ok(None);
        };
        let hash = match persisted.get("sha256Hash") {
            Some(Value::String(hash)) => parse_hash(hash),
            _ => None,
        };
        let hash = hash.ok_or_else(|| {
            let detail = "persistedQuery requires a sha256Hash of 64 hexadecimal digits";
            (GraphqlErrorCode::Malformed, detail.to_owned())
        })?;
        if !request.query.is_empty() {
            if Hash::from(Sha256::digest(request.query.as_bytes())) != hash {
                let detail = "provided sha does not match query";
                return Err((GraphqlErrorCode::PersistedQueryMismatch, detail.to_owned()));
            }
            return Ok(Some(hash));
        }
        // Clients recognise the error by this message.
        let not_found = || (GraphqlErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound".to_owned());
        request.query = self.persisted.get(&hash).ok_or_else(not_found)?.to_string();
        Ok(None)
    }

    /// Caches a document by its text, and the text by its hash if given. The field order of a single
    /// operation must have been computed, because it counts towards the weight.
    pub fn insert(&self, hash: Option<Hash>, text: &str, document: &Arc<CachedDocument>) {
        if let Some(hash) = hash {
            self.persisted.insert(hash, text.into());
        }
        if self.parsed.peek(text).is_none() {
            self.parsed.insert(text.into(), document.clone());
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

#[cfg(test)]
mod tests;

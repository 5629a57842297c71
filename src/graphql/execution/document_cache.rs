//! Cache of parsed documents by their text, and of texts by their hash (Apollo's automatic persisted
//! queries).

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Name, ServerError, Value,
    indexmap::IndexMap,
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationDefinition},
    },
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest, Sha256};

use super::{
    exact_numbers::restore_digits, field_order::FieldOrder, inputs::rules::VariableRules, limits::Limits,
    object_fields::find_repeated, string_escapes::replace_escapes, validation,
};
use crate::graphql::{
    error::{self, GraphqlErrorCode, RequestError},
    schema::Schema,
};

/// Capacity of each cache, in bytes of text. A parsed document takes about twenty times the memory of its
/// text.
const MAX_BYTES: u64 = 512 << 10;
/// Weight of a field in a [`FieldOrder`], in bytes of text. Fragments can multiply the fields of a document.
const FIELD_WEIGHT: usize = 5;
/// Estimated number of documents in a full cache.
const ESTIMATED_DOCUMENTS: usize = 1000;

/// Extension with the hash of a document.
const PERSISTED_QUERY: &str = "persistedQuery";

type Hash = [u8; 32];

/// A parsed document and the results computed from it.
pub struct CachedDocument {
    pub ast: ExecutableDocument,
    /// Field order of the only operation, unset if the document has several operations.
    field_order: OnceLock<Arc<FieldOrder>>,
    /// Whether the document has exactly one operation.
    is_single: bool,
    /// Rules for the variables, unset if the document has not been validated.
    rules: OnceLock<VariableRules>,
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
        Self { ast, field_order: OnceLock::new(), is_single, rules: OnceLock::new() }
    }

    /// Returns the only operation and its name, or `None` if the document has several operations.
    pub fn single_operation(&self) -> Option<(Option<&Name>, &OperationDefinition)> {
        let (name, operation) = self.ast.operations.iter().next().filter(|_| self.is_single)?;
        Some((name, &operation.node))
    }

    /// Returns the rules for the variables, or `None` if the document has not been validated.
    pub fn rules(&self) -> Option<&VariableRules> {
        self.rules.get()
    }

    /// Validates the document, unless it is known as valid. The caller must have checked the document's cost.
    ///
    /// # Errors
    /// Returns the validation errors.
    pub async fn validate(&self, schema: &Schema) -> Result<&VariableRules, Vec<ServerError>> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules);
        }
        let rules = validation::validate(&self.ast, schema).await?;
        Ok(self.rules.get_or_init(|| rules))
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
        let text = replace_escapes(text);
        let mut ast = parse_query(&text).map_err(error::syntax_error)?;
        if let Some(field) = find_repeated(&text) {
            let detail = format!("the field {field} of an object is repeated: send it once");
            return Err(error::request_error((GraphqlErrorCode::Invalid, detail)).into());
        }
        restore_digits(&mut ast, &text);
        Ok(Arc::new(CachedDocument::new(ast)))
    }

    /// Returns the text of a request, which may have only the text's hash. Also returns the hash if the request
    /// has both. The caller passes the hash to [`DocumentCache::insert`] once the document has passed the
    /// limits.
    pub fn resolve_persisted_query<'a>(
        &self,
        text: &'a str,
        extensions: &HashMap<String, Value>,
    ) -> Result<(Cow<'a, str>, Option<Hash>), RequestError> {
        let Some(Value::Object(persisted)) = extensions.get(PERSISTED_QUERY) else {
            return Ok((text.into(), None));
        };
        let hash = sent_hash(persisted).ok_or_else(|| {
            let detail = "persistedQuery requires a sha256Hash of 64 hexadecimal digits";
            (GraphqlErrorCode::Malformed, detail.to_owned())
        })?;
        if !text.is_empty() {
            if hash_of(text) != hash {
                let detail = "provided sha does not match query";
                return Err((GraphqlErrorCode::PersistedQueryMismatch, detail.to_owned()));
            }
            return Ok((text.into(), Some(hash)));
        }
        // Clients recognise the error by this message.
        let not_found = || (GraphqlErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound".to_owned());
        let text = self.persisted.get(&hash).ok_or_else(not_found)?;
        Ok((text.to_string().into(), None))
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

/// Returns the hash of a request's document, of which the client may have sent only the hash. Returns `None` if
/// the client has sent neither.
pub fn document_hash(text: &str, extensions: &HashMap<String, Value>) -> Option<Hash> {
    match extensions.get(PERSISTED_QUERY) {
        _ if !text.is_empty() => Some(hash_of(text)),
        Some(Value::Object(persisted)) => sent_hash(persisted),
        _ => None,
    }
}

fn hash_of(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// Returns the hash in the extension for persisted queries, or `None` if it is missing or malformed.
fn sent_hash(persisted: &IndexMap<Name, Value>) -> Option<Hash> {
    match persisted.get("sha256Hash") {
        Some(Value::String(hash)) => parse_hash(hash),
        _ => None,
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

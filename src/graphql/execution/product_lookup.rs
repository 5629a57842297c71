//! Product lookups: queries for one product by id, executed without async-graphql's executor. The executor
//! would take a fifth of the time of such a request. A lookup requires a document that async-graphql has
//! parsed and validated.

use std::sync::Arc;

use async_graphql::{
    Name, PathSegment, Pos, Positioned, ServerError, Value, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
};
use async_graphql_value::Value as DocumentValue;
use tracing::Instrument;

use super::{document_cache::CachedDocument, spans};
use crate::{
    catalog::Catalog,
    domain::Error,
    graphql::{
        prebuilt_json::{OBJECT_BYTES, WriteJson},
        schema::{product::ProductObject, query::find_product},
    },
};

/// Number of digits of the largest id. Longer values are not lookups, so [`Limits`](super::limits::Limits)
/// checks them.
const MAX_DIGITS: usize = 16;

/// A query for one product by id.
pub struct ProductLookup {
    document: Arc<CachedDocument>,
    id: String,
}

impl ProductLookup {
    /// Returns the lookup of a valid document, or `None` if async-graphql must execute the document.
    pub fn from_document(document: &Arc<CachedDocument>, variables: &Variables) -> Option<Self> {
        let (_, operation) = document.single_operation()?;
        let (_, id) = product_field(operation)?.node.arguments.first()?;
        if document.field_order(operation).has_merged_fields {
            return None;
        }
        let id = match &id.node {
            DocumentValue::Variable(name) => match variables.get(name)? {
                Value::String(id) => id.clone(),
                Value::Number(id) => id.to_string(),
                _ => return None,
            },
            DocumentValue::String(id) => id.clone(),
            DocumentValue::Number(id) => id.to_string(),
            _ => return None,
        };
        (id.len() <= MAX_DIGITS).then(|| Self { document: document.clone(), id })
    }

    /// Returns the operation's name, or `None` if it is anonymous.
    pub fn name(&self) -> Option<&Name> {
        self.document.single_operation().and_then(|(name, _)| name)
    }

    /// Reads the product and returns the response's `data` as JSON.
    pub async fn execute(&self, catalog: &Catalog) -> Result<Vec<u8>, ServerError> {
        let field = self.document.single_operation().and_then(|(_, operation)| product_field(operation));
        let Some(Positioned { node: field, pos }) = field else {
            // This is unreachable, because `from_document` has found the field.
            return Err(async_graphql::Error::from(Error::Internal).into_server_error(Pos::default()));
        };
        let key = field.response_key().node.as_str();
        let mut json = Vec::with_capacity(OBJECT_BYTES);
        for part in ["{\"", key, "\":"] {
            json.extend_from_slice(part.as_bytes());
        }
        let find = find_product(catalog, &self.id).instrument(spans::root_field("Query", "product", key));
        let result = find.await.and_then(|product| {
            let Some(product) = product else {
                json.extend_from_slice(b"null");
                return Ok(());
            };
            // A valid document selects only fields that `ProductObject` writes.
            let product = ProductObject::from(product);
            product.write_json(&field.selection_set.node, &mut json).ok_or(Error::Internal)
        });
        if let Err(error) = result {
            let mut error = async_graphql::Error::from(error).into_server_error(*pos);
            error.path = vec![PathSegment::Field(key.to_owned())];
            return Err(error);
        }
        json.push(b'}');
        Ok(json)
    }
}

/// Returns the `product` field of a query that has no other root field, no directives and no fragments.
/// Returns `None` for other operations.
fn product_field(operation: &OperationDefinition) -> Option<&Positioned<Field>> {
    let OperationDefinition { ty: OperationType::Query, directives, selection_set, .. } = operation else {
        return None;
    };
    let [Positioned { node: Selection::Field(field), .. }] = selection_set.node.items.as_slice() else {
        return None;
    };
    let is_plain_field = |item: &Positioned<Selection>| match &item.node {
        Selection::Field(field) => field.node.directives.is_empty(),
        _ => false,
    };
    let is_plain = directives.is_empty()
        && field.node.directives.is_empty()
        && field.node.selection_set.node.items.iter().all(is_plain_field);
    (is_plain && field.node.name.node == "product").then_some(field)
}

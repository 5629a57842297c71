//! The query that is asked most, for one product by its id: answered without the library, whose execution takes a fourth of
//! such a request, and without a request of the library's. It parses and validates the document, and carries it out where there
//! is more to it.

use std::sync::Arc;

use async_graphql::{
    Name, PathSegment, Pos, Positioned, ServerError, Value,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
};
use async_graphql_value::Value as Sent;

use super::{
    document_cache::Known,
    prebuilt_json::{OBJECT_BYTES, object},
};
use crate::{
    catalog::{Catalog, Error},
    graphql::{
        schema::{product::Shown, query::product},
        transport::request::Given,
    },
    trace_targets::export_enabled,
};

/// Digits of the highest id. What is longer is for the limits to measure.
const MAX_DIGITS: usize = 16;

/// Such a query.
pub struct Lookup {
    known: Arc<Known>,
    id: String,
}

impl Lookup {
    /// Of a valid document's only operation; none where that is no such query.
    pub fn of(known: &Arc<Known>, variables: &Given) -> Option<Self> {
        let (_, operation) = known.only()?;
        let (_, id) = field(operation)?.node.arguments.first()?;
        // Where a trace is made, the library makes a span for the field.
        if known.shape(operation).repeats || export_enabled() {
            return None;
        }
        let id = match &id.node {
            Sent::Variable(name) => match variables.get(name)? {
                Value::String(id) => id.clone(),
                Value::Number(id) => id.to_string(),
                _ => return None,
            },
            Sent::String(id) => id.clone(),
            Sent::Number(id) => id.to_string(),
            _ => return None,
        };
        (id.len() <= MAX_DIGITS).then(|| Self { known: known.clone(), id })
    }

    /// The name of its operation.
    pub fn name(&self) -> Option<&Name> {
        self.known.only().and_then(|(name, _)| name)
    }

    /// What `data` is in its answer, as JSON.
    pub async fn answer(&self, catalog: &Catalog) -> Result<Vec<u8>, ServerError> {
        let field = self.known.only().and_then(|(_, operation)| field(operation));
        let Some(Positioned { node: field, pos }) = field else {
            // There is none without it.
            return Err(async_graphql::Error::from(Error::Internal).into_server_error(Pos::default()));
        };
        let key = field.response_key().node.as_str();
        let mut json = Vec::with_capacity(OBJECT_BYTES);
        for part in ["{\"", key, "\":"] {
            json.extend_from_slice(part.as_bytes());
        }
        let found = product(catalog, &self.id).await.and_then(|found| {
            let Some(product) = found else {
                json.extend_from_slice(b"null");
                return Ok(());
            };
            // A valid document asks for nothing else.
            object(&Shown::from(product), &field.selection_set.node, &mut json).ok_or(Error::Internal)
        });
        if let Err(error) = found {
            let mut error = async_graphql::Error::from(error).into_server_error(*pos);
            error.path = vec![PathSegment::Field(key.to_owned())];
            return Err(error);
        }
        json.push(b'}');
        Ok(json)
    }
}

/// The only field of such a query, below which are names alone.
fn field(operation: &OperationDefinition) -> Option<&Positioned<Field>> {
    let OperationDefinition { ty: OperationType::Query, directives, selection_set, .. } = operation else {
        return None;
    };
    let [Positioned { node: Selection::Field(field), .. }] = selection_set.node.items.as_slice() else {
        return None;
    };
    let is_name = |item: &Positioned<Selection>| match &item.node {
        Selection::Field(field) => field.node.directives.is_empty(),
        _ => false,
    };
    let is_plain = directives.is_empty()
        && field.node.directives.is_empty()
        && field.node.selection_set.node.items.iter().all(is_name);
    (is_plain && field.node.name.node == "product").then_some(field)
}

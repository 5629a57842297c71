//! The query that is asked most, for one product by its id: answered without the library, whose execution takes a fourth of
//! such a request. The library parses and validates its document, and carries it out where there is more to it.

use std::sync::Arc;

use async_graphql::{
    Error, PathSegment, Positioned, Response, Value, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection},
};
use async_graphql_value::Value as Sent;

use super::{
    documents::Known,
    product::Shown,
    query::product,
    ready::{OBJECT_BYTES, object},
};
use crate::{catalog::Catalog, spans::is_traced};

/// Digits of the highest id. What is longer is for the limits to measure.
const MAX_DIGITS: usize = 16;

/// Such a query.
pub struct Lookup {
    known: Arc<Known>,
    id: String,
}

impl Lookup {
    /// Of a valid document's only operation; none where that is no such query.
    pub fn of(known: &Arc<Known>, variables: &Variables) -> Option<Self> {
        let (_, id) = field(known)?.node.arguments.first()?;
        if known.shape(known.only()?).repeats {
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

    /// The answer; none where the library has to find it.
    pub async fn answer(&self, catalog: &Catalog) -> Option<Response> {
        let Positioned { node: field, pos } = field(&self.known)?;
        let key = field.response_key().node.as_str();
        let found = match product(catalog, &self.id).await {
            Ok(found) => found,
            Err(error) => {
                let mut error = Error::from(error).into_server_error(*pos);
                error.path = vec![PathSegment::Field(key.to_owned())];
                return Some(Response::from_errors(vec![error]));
            }
        };
        let mut json = Vec::with_capacity(OBJECT_BYTES);
        for part in ["{\"", key, "\":"] {
            json.extend_from_slice(part.as_bytes());
        }
        match found {
            Some(product) => object(&Shown::from(product), &field.selection_set.node, &mut json)?,
            None => json.extend_from_slice(b"null"),
        }
        json.push(b'}');
        // Bytes, which have no errors beside them.
        Some(Response::new(Value::Binary(json.into())))
    }
}

/// The only field of such a query, below which are names alone. Where a trace is made, the library makes a span for it.
fn field(known: &Known) -> Option<&Positioned<Field>> {
    let OperationDefinition { ty: OperationType::Query, directives, selection_set, .. } = known.only()?
    else {
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
    (is_plain && field.node.name.node == "product" && !is_traced()).then_some(field)
}

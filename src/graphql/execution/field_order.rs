//! Sorts a response's fields in document order (GraphQL specification, section 6.3.2). async-graphql inserts
//! fields in the order in which they are resolved.

use async_graphql::{
    Name, Value,
    indexmap::{IndexMap, map::Entry},
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

use super::selected_fields::PLACEHOLDER;

/// Response keys in document order, each with the order of its subfields.
#[derive(Debug, Default)]
pub struct FieldOrder {
    fields: IndexMap<Name, FieldOrder>,
    /// Whether a field at any level is selected more than once.
    pub has_merged_fields: bool,
}

impl FieldOrder {
    /// Returns the field order of an operation. The caller must have checked the document's cost, because
    /// fragments are walked once per spread.
    pub fn new(document: &ExecutableDocument, operation: &OperationDefinition) -> Self {
        let mut order = Self::default();
        order.add(document, &operation.selection_set.node);
        order
    }

    /// Returns the number of fields at all levels.
    pub fn total_field_count(&self) -> usize {
        self.fields.values().map(|subfields| 1 + subfields.total_field_count()).sum()
    }

    pub fn root_field_count(&self) -> usize {
        self.fields.len()
    }

    fn add(&mut self, document: &ExecutableDocument, set: &SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let entry = self.fields.entry(field.node.response_key().node.clone());
                    self.has_merged_fields |= matches!(entry, Entry::Occupied(_));
                    let subfields = entry.or_default();
                    subfields.add(document, &field.node.selection_set.node);
                    self.has_merged_fields |= subfields.has_merged_fields;
                }
                Selection::InlineFragment(fragment) => self.add(document, &fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        self.add(document, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Sorts the fields of a response at all levels, and removes the field that the document does not select,
    /// [`PLACEHOLDER`].
    pub fn sort(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.sort(item)),
            Value::Object(fields) => {
                // Most objects are complete and already sorted, so they need no lookups.
                if !fields.keys().eq(self.fields.keys()) {
                    fields.retain(|name, _| name != PLACEHOLDER);
                    fields.sort_by_cached_key(|name, _| self.fields.get_index_of(name));
                }
                let mut orders = self.fields.iter();
                for (name, value) in fields {
                    // Both iterators are in document order, so `find` skips only fields that the response
                    // lacks.
                    if let Some((_, subfields)) = orders.find(|(key, _)| *key == name) {
                        subfields.sort(value);
                    }
                }
            }
            _ => {}
        }
    }
}

//! Gives an answer the order of its document (GraphQL specification, section 6.3.2): the library puts fields in
//! as they are resolved.

use async_graphql::{
    Name, Value,
    indexmap::{IndexMap, map::Entry},
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// The names of an answer's fields in order, each with those below it.
#[derive(Debug, Default)]
pub struct Shape {
    fields: IndexMap<Name, Shape>,
    /// Whether one of them, or of those below, is asked for more than once.
    pub repeats: bool,
}

impl Shape {
    /// The shape of an operation's answer; the cost of the document must have been checked, since fragments are
    /// looked at wherever they are spread.
    pub fn of(document: &ExecutableDocument, operation: &OperationDefinition) -> Self {
        let mut shape = Self::default();
        shape.add(document, &operation.selection_set.node);
        shape
    }

    /// How many fields it has, at all levels.
    pub fn size(&self) -> usize {
        self.fields.values().map(|below| 1 + below.size()).sum()
    }

    /// How many fields of the root it has.
    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    fn add(&mut self, document: &ExecutableDocument, set: &SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let entry = self.fields.entry(field.node.response_key().node.clone());
                    self.repeats |= matches!(entry, Entry::Occupied(_));
                    let below = entry.or_default();
                    below.add(document, &field.node.selection_set.node);
                    self.repeats |= below.repeats;
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

    /// Puts the fields in order. What the document does not name can't be in an answer.
    pub fn sort(&self, value: &mut Value) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.sort(item)),
            Value::Object(fields) => {
                // Most are in order and complete: then no name has to be looked up.
                if !fields.keys().eq(self.fields.keys()) {
                    fields.sort_by_cached_key(|name, _| self.fields.get_index_of(name));
                }
                let mut shapes = self.fields.iter();
                for (name, value) in fields {
                    // Only those are passed over that the answer lacks.
                    if let Some((_, below)) = shapes.find(|(known, _)| *known == name) {
                        below.sort(value);
                    }
                }
            }
            _ => {}
        }
    }
}

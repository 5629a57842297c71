//! Finds fields that have the same response key but cannot be merged (GraphQL specification, section 5.3.2).
//! async-graphql compares only fields of the same selection set. The schema has no interfaces and unions, so
//! fields with the same key are always fields of the same object.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet},
};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// Returns an error for each conflict. The caller must have checked the document's cost, because fragments are
/// walked once per spread.
pub fn conflicts(document: &ExecutableDocument) -> Vec<ServerError> {
    let mut errors = Vec::new();
    for (_, operation) in document.operations.iter() {
        add_conflicts(&document.fragments, &[&operation.node.selection_set.node], &mut errors);
    }
    errors
}

fn add_conflicts(fragments: &Fragments, sets: &[&SelectionSet], errors: &mut Vec<ServerError>) {
    let mut fields = IndexMap::new();
    for set in sets {
        collect_fields(fragments, set, &mut fields);
    }
    for (key, fields) in fields {
        let [first, others @ ..] = fields.as_slice() else {
            continue;
        };
        let conflicting = others.iter().find(|other| !is_same(&first.node, &other.node));
        if let Some(other) = conflicting {
            let message = format!("`{key}` stands for different fields or arguments: use an alias");
            errors.push(ServerError::new(message, Some(other.pos)));
        } else {
            let sets: Vec<_> = fields.iter().map(|field| &field.node.selection_set.node).collect();
            add_conflicts(fragments, &sets, errors);
        }
    }
}

/// Collects fields by their response key, also from fragments.
fn collect_fields<'a>(
    fragments: &'a Fragments,
    set: &'a SelectionSet,
    fields: &mut IndexMap<&'a Name, Vec<&'a Positioned<Field>>>,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => fields.entry(&field.node.response_key().node).or_default().push(field),
            Selection::InlineFragment(fragment) => {
                collect_fields(fragments, &fragment.node.selection_set.node, fields);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    collect_fields(fragments, &fragment.node.selection_set.node, fields);
                }
            }
        }
    }
}

fn is_same(a: &Field, b: &Field) -> bool {
    let has_argument = |(name, value): &(Positioned<Name>, Positioned<_>)| {
        b.get_argument(&name.node).is_some_and(|other| other.node == value.node)
    };
    a.name.node == b.name.node
        && a.arguments.len() == b.arguments.len()
        && a.arguments.iter().all(has_argument)
}

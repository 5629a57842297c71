//! The scope that an operation needs.

use std::iter::once;

use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};

use crate::{domain::Scope, graphql::schema::mutation::ADMIN_MUTATIONS};

/// Returns the scope that an operation needs. Fragments count even if the operation does not use them; the
/// validation rejects such documents anyway.
pub fn required_scope(document: &ExecutableDocument, operation: Option<&OperationDefinition>) -> Scope {
    let Some(operation) = operation.filter(|operation| operation.ty == OperationType::Mutation) else {
        return Scope::Read;
    };
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    let mut sets = once(&operation.selection_set.node).chain(fragments);
    if sets.any(selects_admin_mutation) { Scope::Admin } else { Scope::Write }
}

fn selects_admin_mutation(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => ADMIN_MUTATIONS.contains(&field.node.name.node.as_str()),
        Selection::InlineFragment(fragment) => selects_admin_mutation(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => false,
    })
}

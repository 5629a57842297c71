//! Rewrites a valid document for async-graphql's executor, which replaces an absent variable by null and an
//! object without fields by null, and ignores the root fields of a subscription in fragments.

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Positioned, Value as ConstValue, Variables,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationType,
        Selection, SelectionSet,
    },
};
use async_graphql_value::Value;

/// Response key of a field that keeps an object from being empty.
/// [`FieldOrder::sort`](super::field_order::FieldOrder::sort) removes it from the response. Clients cannot use
/// it, because GraphQL reserves names that start with two underscores.
pub const PLACEHOLDER: &str = "__empty";

/// Removes skipped selections, and arguments and input fields whose variable is absent. The variables must
/// include their defaults. Returns whether the operation has root fields, except [`PLACEHOLDER`].
pub fn rewrite(document: &mut ExecutableDocument, operation: Option<&str>, variables: &Variables) -> bool {
    for fragment in document.fragments.values_mut() {
        rewrite_set(&mut fragment.node.selection_set.node, variables);
    }
    let operation = match &mut document.operations {
        DocumentOperations::Single(operation) => Some(operation),
        DocumentOperations::Multiple(operations) => operation.and_then(|name| operations.get_mut(name)),
    };
    let Some(Positioned { node: operation, .. }) = operation else {
        return false;
    };
    let root_fields = &mut operation.selection_set.node;
    rewrite_set(root_fields, variables);
    if operation.ty == OperationType::Subscription {
        let mut merged = None;
        merge_root_fields(root_fields, &document.fragments, &mut merged);
        root_fields.items = merged.into_iter().map(|field| positioned(Selection::Field(field))).collect();
    }
    !root_fields.items.is_empty()
}

/// Merges the root fields of a subscription, which all have the same key. async-graphql ignores root fields in
/// fragments, and would send each event once per field.
fn merge_root_fields(
    set: &SelectionSet,
    fragments: &HashMap<Name, Positioned<FragmentDefinition>>,
    merged: &mut Option<Positioned<Field>>,
) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) if field.node.response_key().node == PLACEHOLDER => {}
            Selection::Field(field) => match merged {
                Some(first) => {
                    let more = field.node.selection_set.node.items.iter().cloned();
                    first.node.selection_set.node.items.extend(more);
                }
                None => *merged = Some(field.clone()),
            },
            Selection::InlineFragment(fragment) => {
                merge_root_fields(&fragment.node.selection_set.node, fragments, merged);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                    merge_root_fields(&fragment.node.selection_set.node, fragments, merged);
                }
            }
        }
    }
}

/// Rewrites a selection set. The recursion is as deep as the document's nesting, which
/// [`is_too_deep`](super::nesting_depth::is_too_deep) limits.
fn rewrite_set(set: &mut SelectionSet, variables: &Variables) {
    if set.items.is_empty() {
        // A scalar field has no selection set.
        return;
    }
    set.items.retain(|item| !is_skipped(item.node.directives(), variables));
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(Positioned { node: field, .. }) => {
                field.directives.clear();
                field.arguments.retain_mut(|(_, value)| keep_value(&mut value.node, variables));
                rewrite_set(&mut field.selection_set.node, variables);
            }
            Selection::InlineFragment(Positioned { node: fragment, .. }) => {
                fragment.directives.clear();
                rewrite_set(&mut fragment.selection_set.node, variables);
            }
            Selection::FragmentSpread(spread) => spread.node.directives.clear(),
        }
    }
    if set.items.is_empty() {
        set.items.push(positioned(Selection::Field(positioned(placeholder()))));
    }
}

fn is_skipped(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().any(|directive| {
        let condition = match directive.node.get_argument("if").map(|value| &value.node) {
            Some(Value::Boolean(condition)) => Some(*condition),
            Some(Value::Variable(name)) => match variables.get(name) {
                Some(ConstValue::Boolean(condition)) => Some(*condition),
                _ => None,
            },
            _ => None,
        };
        match directive.node.name.node.as_str() {
            "skip" => condition == Some(true),
            "include" => condition == Some(false),
            _ => false,
        }
    })
}

/// Returns whether a value is present, and removes the absent values in it (section 3.10).
fn keep_value(value: &mut Value, variables: &Variables) -> bool {
    match value {
        Value::Variable(name) => return variables.contains_key(name),
        Value::Object(fields) => fields.retain(|_, value| keep_value(value, variables)),
        Value::List(items) => {
            for item in items {
                if !keep_value(item, variables) {
                    *item = Value::Null;
                }
            }
        }
        _ => {}
    }
    true
}

fn placeholder() -> Field {
    Field {
        alias: Some(positioned(Name::new(PLACEHOLDER))),
        name: positioned(Name::new("__typename")),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    }
}

fn positioned<T>(node: T) -> Positioned<T> {
    Positioned::new(node, Pos::default())
}

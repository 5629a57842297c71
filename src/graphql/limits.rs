//! Limits against hostile documents, checked before anything is done that grows faster than the document:
//! the parser recurses with its nesting, validation and execution walk every fragment wherever it is spread.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet,
    },
};
use async_graphql_value::{ConstValue, Value};

use crate::catalog::PageRequest;

/// A document's cost is mostly its parsing.
pub const MAX_BYTES: usize = 64 << 10;
/// Deeper than any tool's document; the parser takes about a thousand levels before its stack ends.
const MAX_NESTING: usize = 100;
/// They may be spread in each other, each a level deeper.
const MAX_FRAGMENTS: usize = 100;
/// Twice a page of 1,000 products with all their fields.
const MAX_COST: usize = 20_000;
/// What a field of the root costs, since it asks the database, where other fields cost 1.
const ROOT_FIELD_COST: usize = 100;

/// Whether brackets are nested deeper than anyone needs. Those in strings and comments count for nothing, so it
/// has to know where these end (GraphQL specification, section 2.9.4).
pub fn is_too_deep(document: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = document;
    while let Some(place) = rest.find(['{', '[', '(', '}', ']', ')', '"', '#']) {
        let (token, behind) = rest[place..].split_at(1);
        rest = match token {
            "{" | "[" | "(" => {
                depth += 1;
                behind
            }
            "#" => behind.trim_start_matches(|char| char != '\n' && char != '\r'),
            "\"" => match behind.strip_prefix("\"\"") {
                Some(block) => behind_block_string(block),
                None => behind_string(behind),
            },
            _ => {
                depth = depth.saturating_sub(1);
                behind
            }
        };
        if depth > MAX_NESTING {
            return true;
        }
    }
    false
}

/// What is behind a string; one that does not end in its line is for the parser to refuse.
fn behind_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    while let Some((place, char)) = chars.next() {
        match char {
            '"' | '\n' | '\r' => return &text[place + 1..],
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    ""
}

fn behind_block_string(text: &str) -> &str {
    let mut from = 0;
    while let Some(end) = text[from..].find("\"\"\"").map(|end| from + end) {
        from = end + 3;
        if !text[..end].ends_with('\\') {
            return &text[from..];
        }
    }
    ""
}

/// Whether the document would take more work than one request may.
pub fn is_too_costly(document: &ExecutableDocument, variables: &Variables) -> bool {
    if document.fragments.len() > MAX_FRAGMENTS {
        return true;
    }
    let mut costs = Costs { document, variables, fragments: HashMap::new() };
    let mut cost = |set| costs.set(set, true);
    let operations = match &document.operations {
        DocumentOperations::Single(operation) => cost(&operation.node.selection_set.node),
        DocumentOperations::Multiple(operations) => {
            operations.values().map(|operation| cost(&operation.node.selection_set.node)).max().unwrap_or(0)
        }
    };
    operations > MAX_COST
}

struct Costs<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// Each fragment is looked at once; one that is being looked at costs endlessly much: it is in a circle.
    fragments: HashMap<(&'a Name, bool), usize>,
}

impl<'a> Costs<'a> {
    fn set(&mut self, set: &'a SelectionSet, root: bool) -> usize {
        let costs = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => self.field(&field.node, root),
            Selection::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, root),
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, root),
        });
        costs.fold(0, usize::saturating_add)
    }

    fn field(&mut self, field: &'a Field, root: bool) -> usize {
        let inner = self.set(&field.selection_set.node, false);
        if root {
            inner.saturating_mul(self.page_size(field)).saturating_add(ROOT_FIELD_COST)
        } else {
            inner.saturating_add(1)
        }
    }

    fn fragment(&mut self, name: &'a Name, root: bool) -> usize {
        if let Some(cost) = self.fragments.get(&(name, root)) {
            return *cost;
        }
        // A fragment that is not there is for the validation to name.
        let Some(fragment): Option<&'a Positioned<FragmentDefinition>> = self.document.fragments.get(name)
        else {
            return 0;
        };
        self.fragments.insert((name, root), usize::MAX);
        let cost = self.set(&fragment.node.selection_set.node, root);
        self.fragments.insert((name, root), cost);
        cost
    }

    /// How many products a field of the root answers at most: what its fields cost is multiplied by it.
    fn page_size(&self, field: &Field) -> usize {
        let asked = ["first", "last"].iter().find_map(|name| match &field.get_argument(name)?.node {
            Value::Number(size) => size.as_u64(),
            Value::Variable(name) => match self.variables.get(name) {
                Some(ConstValue::Number(size)) => size.as_u64(),
                _ => None,
            },
            _ => None,
        });
        match (field.name.node.as_str(), asked) {
            ("products", size) => {
                usize::try_from(size.unwrap_or(PageRequest::DEFAULT_SIZE)).unwrap_or(usize::MAX).max(1)
            }
            _ => 1,
        }
    }
}

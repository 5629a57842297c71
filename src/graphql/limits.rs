//! Limits against hostile documents, checked before anything is done that grows faster than the document:
//! the parser recurses with its nesting, validation and execution walk every fragment wherever it is spread.

use std::collections::HashMap;

use async_graphql::{
    Name, Number, Variables,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Value};

/// A document's cost is mostly its parsing.
pub const MAX_BYTES: usize = 64 << 10;
/// Deeper than any tool's document; the parser takes about a thousand levels before its stack ends.
const MAX_NESTING: usize = 100;
/// Of fields in fields, with fragments spread out: whatever walks the document or its answer recurses so deep.
const MAX_HEIGHT: usize = 40;
/// Several pages of 1,000 products with all their fields.
const MAX_COST: usize = 50_000;
/// What a field of the root costs, since it asks the database, where other fields cost 1.
const ROOT_FIELD_COST: usize = 250;
const MAX_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 100;

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
                // Without an end the parser takes the first two quotes for an empty string, and so goes on.
                Some(block) => behind_block_string(block).unwrap_or(&behind[1..]),
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

fn behind_block_string(text: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(end) = text[from..].find("\"\"\"").map(|end| from + end) {
        from = end + 3;
        if !text[..end].ends_with('\\') {
            return Some(&text[from..]);
        }
    }
    None
}

/// Whether the document would take more work than one request may.
pub fn is_too_costly(document: &ExecutableDocument, variables: &Variables) -> bool {
    let mut weights = Weights { document, variables, fragments: HashMap::new() };
    document.operations.iter().any(|(_, operation)| {
        let weight = weights.set(&operation.node.selection_set.node, Place { root: true, level: 0 });
        weight.cost > MAX_COST || weight.height > MAX_HEIGHT
    })
}

/// What a part of a document adds to the work.
#[derive(Clone, Copy, Default)]
struct Weight {
    cost: usize,
    height: usize,
}

impl Weight {
    const TOO_MUCH: Self = Self { cost: usize::MAX, height: usize::MAX };

    fn beside(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), height: self.height.max(other.height) }
    }

    fn below(self, cost: usize) -> Self {
        Self { cost: self.cost.saturating_add(cost), height: self.height.saturating_add(1) }
    }
}

/// Where a part of a document is.
#[derive(Clone, Copy)]
struct Place {
    /// Its fields are the root's.
    root: bool,
    /// How deep we have gone to come here.
    level: usize,
}

struct Weights<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// Each fragment is looked at once; one that is being looked at is in a circle.
    fragments: HashMap<(&'a Name, bool), Weight>,
}

impl<'a> Weights<'a> {
    fn set(&mut self, set: &'a SelectionSet, place: Place) -> Weight {
        if place.level > MAX_HEIGHT {
            return Weight::TOO_MUCH;
        }
        let inner = Place { level: place.level + 1, ..place };
        let weights = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => self.field(&field.node, inner),
            Selection::InlineFragment(fragment) => {
                self.set(&fragment.node.selection_set.node, inner).below(1)
            }
            Selection::FragmentSpread(spread) => {
                self.fragment(&spread.node.fragment_name.node, inner).below(1)
            }
        });
        weights.fold(Weight::default(), Weight::beside)
    }

    fn field(&mut self, field: &'a Field, place: Place) -> Weight {
        let inner = self.set(&field.selection_set.node, Place { root: false, ..place });
        if !place.root {
            return inner.below(1);
        }
        let cost = inner.cost.max(1).saturating_mul(self.list_size(field));
        Weight { cost, ..inner }.below(ROOT_FIELD_COST)
    }

    fn fragment(&mut self, name: &'a Name, place: Place) -> Weight {
        if let Some(weight) = self.fragments.get(&(name, place.root)) {
            return *weight;
        }
        // A fragment that is not there is for the validation to name.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Weight::default();
        };
        self.fragments.insert((name, place.root), Weight::TOO_MUCH);
        let weight = self.set(&fragment.node.selection_set.node, place);
        self.fragments.insert((name, place.root), weight);
        weight
    }

    /// How many products a field of the root answers at most: what its fields cost is multiplied by it.
    fn list_size(&self, field: &Field) -> usize {
        let argument = |name| field.get_argument(name).map(|value| self.size(&value.node));
        match field.name.node.as_str() {
            "products" => argument("first").or_else(|| argument("last")).unwrap_or(DEFAULT_PAGE),
            "createProducts" => argument("inputs").unwrap_or(1),
            _ => 1,
        }
    }

    /// A number, or the length of a list; a variable that was not sent may have any default.
    fn size(&self, value: &Value) -> usize {
        let number = |number: &Number| usize::try_from(number.as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        match value {
            Value::Number(size) => number(size),
            Value::List(items) => items.len(),
            Value::Variable(name) => match self.variables.get(name) {
                Some(ConstValue::Number(size)) => number(size),
                Some(ConstValue::List(items)) => items.len(),
                _ => MAX_PAGE,
            },
            _ => 1,
        }
    }
}

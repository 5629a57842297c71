//! Query cost analysis. Each fragment is analysed at most twice: once at the root and once below it.

use std::collections::HashMap;

use async_graphql::{
    Name, Number, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Value};

use crate::graphql::schema::{
    field_weight::{Items, Scans},
    weights::weight_of,
};

/// Points for a root field, because it queries the database. Other fields cost 1. As many points count as one request for
/// the caller's rate.
const ROOT_FIELD_POINTS: usize = 250;
/// Points for a field that may scan all products to filter, sort or count them.
const SCAN_POINTS: usize = 5000;
/// Maximum total size of text in variables, in bytes. Each use of a variable counts, because it copies the
/// text.
pub const MAX_VARIABLE_TEXT: usize = 10 << 20;
/// Maximum and default page size of `products`, as in the catalog.
const MAX_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 100;

/// Cost of a part of a document.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Points of the fields, multiplied by page sizes.
    pub points: usize,
    /// Points of scans, not multiplied by page sizes, because each scan reads all products.
    pub scan_points: usize,
    /// Size of the variables used in arguments, counted once per use.
    pub variables: ValueSize,
    pub depth: usize,
    pub root_fields: usize,
    pub aliases: usize,
    pub directives: usize,
    pub introspects: bool,
}

impl Cost {
    /// Cost of recursive fragments, and of selections deeper than the maximum.
    const UNBOUNDED: Self = Self {
        points: usize::MAX,
        scan_points: 0,
        variables: ValueSize { values: 0, text: 0 },
        depth: usize::MAX,
        root_fields: 0,
        aliases: 0,
        directives: 0,
        introspects: false,
    };

    /// Returns all points.
    pub fn total_points(self) -> usize {
        self.points.saturating_add(self.scan_points)
    }

    /// Returns the number of requests as which the document counts for the caller's rate.
    pub fn requests(self) -> u32 {
        u32::try_from(self.total_points() / ROOT_FIELD_POINTS).unwrap_or(u32::MAX).max(1)
    }

    /// Returns the total cost of two parts at the same level.
    fn combine(self, other: Self) -> Self {
        Self {
            points: self.points.saturating_add(other.points),
            scan_points: self.scan_points.saturating_add(other.scan_points),
            variables: self.variables.combine(other.variables),
            depth: self.depth.max(other.depth),
            root_fields: self.root_fields.saturating_add(other.root_fields),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            introspects: self.introspects || other.introspects,
        }
    }

    /// Adds one level of depth and the points of the enclosing field or fragment.
    fn nested(self, points: usize) -> Self {
        Self { points: self.points.saturating_add(points), depth: self.depth.saturating_add(1), ..self }
    }

    fn with_directives(self, directives: &[Positioned<Directive>]) -> Self {
        Self { directives: self.directives.saturating_add(directives.len()), ..self }
    }
}

/// Size of variable values.
#[derive(Clone, Copy, Default)]
pub struct ValueSize {
    /// Number of values, including nested ones.
    pub values: usize,
    /// Total length of the strings, in bytes.
    pub text: usize,
}

impl ValueSize {
    fn new(value: &ConstValue) -> Self {
        let one = Self { values: 1, text: 0 };
        match value {
            ConstValue::String(text) => Self { text: text.len(), ..one },
            ConstValue::List(items) => items.iter().map(Self::new).fold(one, Self::combine),
            ConstValue::Object(fields) => fields.values().map(Self::new).fold(one, Self::combine),
            _ => one,
        }
    }

    fn combine(self, other: Self) -> Self {
        Self { values: self.values.saturating_add(other.values), text: self.text.saturating_add(other.text) }
    }
}

/// Position of a selection set in the document.
#[derive(Clone, Copy)]
struct Position {
    /// Whether its fields are root fields.
    is_root: bool,
    /// Depth of recursion.
    depth: usize,
}

/// Computes the cost of a document.
pub struct CostAnalysis<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    /// Sizes of the variables by name, including their defaults.
    sizes: HashMap<&'a str, ValueSize>,
    /// Costs of fragments, by name and whether the fragment is at the root. A fragment under analysis has
    /// [`Cost::UNBOUNDED`], so that cycles exceed the limits.
    fragments: HashMap<(&'a Name, bool), Cost>,
    max_depth: usize,
}

impl<'a> CostAnalysis<'a> {
    pub fn new(document: &'a ExecutableDocument, variables: &'a Variables, max_depth: usize) -> Self {
        let sizes = variables.iter().map(|(name, value)| (name.as_str(), ValueSize::new(value))).collect();
        Self { document, variables, sizes, fragments: HashMap::new(), max_depth }
    }

    /// Returns the total cost of all operations.
    pub fn total(&mut self) -> Cost {
        let mut total = Cost::default();
        for (_, operation) in self.document.operations.iter() {
            let operation = &operation.node;
            for variable in &operation.variable_definitions {
                if let Some(default) = &variable.node.default_value {
                    // The sizes are added, because operations may have different defaults for the same
                    // variable.
                    let size = self.sizes.entry(variable.node.name.node.as_str()).or_default();
                    *size = size.combine(ValueSize::new(&default.node));
                }
            }
            let position = Position { is_root: true, depth: 0 };
            let cost = self.selection_set(&operation.selection_set.node, position);
            total = total.combine(cost.with_directives(&operation.directives));
        }
        total
    }

    /// Returns whether the analysis has visited this fragment.
    pub fn has_visited(&self, name: &Name) -> bool {
        [true, false].into_iter().any(|is_root| self.fragments.contains_key(&(name, is_root)))
    }

    fn selection_set(&mut self, set: &'a SelectionSet, position: Position) -> Cost {
        if position.depth > self.max_depth {
            return Cost::UNBOUNDED;
        }
        let inner = Position { depth: position.depth + 1, ..position };
        let costs = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => self.field(&field.node, inner),
            Selection::InlineFragment(fragment) => {
                let fragment = &fragment.node;
                let cost = self.selection_set(&fragment.selection_set.node, inner);
                cost.nested(1).with_directives(&fragment.directives)
            }
            Selection::FragmentSpread(spread) => {
                let spread = &spread.node;
                let cost = self.fragment(&spread.fragment_name.node, inner);
                cost.nested(1).with_directives(&spread.directives)
            }
        });
        costs.fold(Cost::default(), Cost::combine)
    }

    fn field(&mut self, field: &'a Field, position: Position) -> Cost {
        let inner = self.selection_set(&field.selection_set.node, Position { is_root: false, ..position });
        let inner = inner.with_directives(&field.directives);
        let arguments = field.arguments.iter().map(|(_, value)| self.variables_in(&value.node));
        let variables = arguments.fold(inner.variables, ValueSize::combine);
        let weight = weight_of(&field.name.node);
        let scans = match weight.scans {
            Scans::Never => false,
            Scans::Always => true,
            Scans::WithAny(arguments) => arguments.iter().any(|name| field.get_argument(name).is_some()),
        };
        let scan_points = if scans { SCAN_POINTS } else { 0 };
        let inner = Cost {
            points: inner.points.max(1).saturating_mul(self.list_size(field, weight.items)),
            aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
            scan_points: inner.scan_points.saturating_add(scan_points),
            variables,
            ..inner
        };
        if !position.is_root {
            return inner.nested(1);
        }
        let introspects = matches!(field.name.node.as_str(), "__schema" | "__type");
        Cost { root_fields: 1, introspects, ..inner }.nested(ROOT_FIELD_POINTS)
    }

    /// Returns the total size of the variables in a value.
    fn variables_in(&self, value: &Value) -> ValueSize {
        let sum = |size: ValueSize, value: &Value| size.combine(self.variables_in(value));
        match value {
            Value::Variable(name) => self.sizes.get(name.as_str()).copied().unwrap_or_default(),
            Value::List(items) => items.iter().fold(ValueSize::default(), sum),
            Value::Object(fields) => fields.values().fold(ValueSize::default(), sum),
            _ => ValueSize::default(),
        }
    }

    fn fragment(&mut self, name: &'a Name, position: Position) -> Cost {
        if let Some(cost) = self.fragments.get(&(name, position.is_root)) {
            return *cost;
        }
        // Validation reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Cost::default();
        };
        self.fragments.insert((name, position.is_root), Cost::UNBOUNDED);
        let cost = self.selection_set(&fragment.node.selection_set.node, position);
        self.fragments.insert((name, position.is_root), cost);
        cost
    }

    /// Returns the estimated number of items that a field returns, by which the cost of its selection is
    /// multiplied. The number is at least 1, because the selection is also walked for an empty page.
    fn list_size(&self, field: &Field, items: Items) -> usize {
        let argument = |name| field.get_argument(name).and_then(|value| self.size(&value.node));
        let size = match items {
            Items::One => 1,
            Items::About(size) => size,
            Items::Page => argument("first").max(argument("last")).unwrap_or(DEFAULT_PAGE),
            Items::PerItemOf(name) => argument(name).unwrap_or(1),
        };
        size.max(1)
    }

    /// Returns a number's value or a list's length, or `None` for null. A variable that was not sent counts
    /// as the maximum page size, because its default is not read.
    fn size(&self, value: &Value) -> Option<usize> {
        let number = |number: &Number| usize::try_from(number.as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        match value {
            Value::Null => None,
            Value::Number(size) => Some(number(size)),
            Value::List(items) => Some(items.len()),
            Value::Variable(name) => match self.variables.get(name) {
                Some(ConstValue::Null) => None,
                Some(ConstValue::Number(size)) => Some(number(size)),
                Some(ConstValue::List(items)) => Some(items.len()),
                _ => Some(MAX_PAGE),
            },
            _ => Some(1),
        }
    }
}

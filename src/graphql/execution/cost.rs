//! Limits against hostile documents, checked before anything is done that grows faster than the document:
//! the parser recurses with its nesting, validation and execution walk every fragment wherever it is spread.

use std::{collections::HashMap, time::Duration};

use async_graphql::{
    Name, Number, Positioned, Variables,
    parser::types::{Directive, ExecutableDocument, Field, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Value};

use super::nesting_depth::{MAX_NESTING, is_too_deep};
use crate::graphql::error::{GraphqlErrorCode, Refusal};

/// What a document may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its length. Its own cost is mostly its parsing.
    pub bytes: usize,
    /// Fields in fields, with fragments spread out: whatever walks the document or its answer recurses so deep.
    pub depth: usize,
    /// [`ROOT_FIELD_COST`] for each field of the root, [`SCAN_COST`] for what may look at all products, 1 for any other
    /// field, times the size of the page.
    pub cost: usize,
    /// Values in variables, each counted as often as its variable is used.
    pub values: usize,
    /// Fields of the root.
    pub root_fields: usize,
    /// Aliases.
    pub aliases: usize,
    /// Directives: each is looked up for every field that it is at.
    pub directives: usize,
    /// Requests in one body.
    pub batch: usize,
    /// Time for an answer.
    pub timeout: Duration,
    /// Whether it may ask for the schema.
    pub introspection: bool,
}

/// What a field of the root costs, since it asks the database, where other fields cost 1.
const ROOT_FIELD_COST: usize = 250;
/// What it costs to look at all products: to filter, to order, to count.
const SCAN_COST: usize = 5000;
/// All texts in variables, each counted as often as its variable is used, in bytes: copies are made of them.
const MAX_TEXT: usize = 10 << 20;
const MAX_PAGE: usize = 1000;
const DEFAULT_PAGE: usize = 100;

impl Limits {
    /// Checks a document's text, before it is parsed.
    pub(in crate::graphql) fn check_text(&self, text: &str) -> Result<(), Refusal> {
        if text.len() > self.bytes {
            let most = self.bytes;
            let detail = format!("the document is larger than {most} bytes: send values as variables");
            return Err((GraphqlErrorCode::DocumentTooLarge, detail));
        }
        if is_too_deep(text) { Err(too_deep(MAX_NESTING)) } else { Ok(()) }
    }

    /// Checks what a document asks for, before it is validated.
    pub(in crate::graphql) fn check(
        &self,
        document: &ExecutableDocument,
        variables: &Variables,
    ) -> Result<(), Refusal> {
        let mut weights = Weights {
            document,
            sizes: variables.iter().map(|(name, value)| (name.as_str(), Size::of(value))).collect(),
            variables,
            fragments: HashMap::new(),
            max_height: self.depth,
        };
        let mut all = Weight::default();
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            for variable in &operation.variable_definitions {
                if let Some(default) = &variable.node.default_value {
                    // Operations may give the same variable others.
                    let size = weights.sizes.entry(variable.node.name.node.as_str()).or_default();
                    *size = size.and(Size::of(&default.node));
                }
            }
            let weight = weights.set(&operation.selection_set.node, Place { root: true, level: 0 });
            all = all.beside(weight.with_directives(&operation.directives));
        }
        let too_many =
            |what: &str, most: usize| format!("the document has more than {most} {what}: send it in parts");
        if all.introspects && !self.introspection {
            return Err((
                GraphqlErrorCode::IntrospectionDisabled,
                "this server does not tell its schema".to_owned(),
            ));
        }
        if all.height > self.depth {
            return Err(too_deep(self.depth));
        }
        // Nobody weighs what is spread nowhere, and validation would look at all of it before it refuses it.
        if let Some(unused) = document.fragments.keys().find(|name| !weights.knows(name)) {
            return Err((GraphqlErrorCode::Invalid, format!("the fragment {unused} is spread nowhere")));
        }
        if all.root_fields > self.root_fields {
            return Err((
                GraphqlErrorCode::TooManyRootFields,
                too_many("fields of the root", self.root_fields),
            ));
        }
        if all.aliases > self.aliases {
            return Err((GraphqlErrorCode::TooManyAliases, too_many("aliases", self.aliases)));
        }
        if all.directives > self.directives {
            return Err((GraphqlErrorCode::TooManyDirectives, too_many("directives", self.directives)));
        }
        if all.sent.values > self.values || all.sent.text > MAX_TEXT {
            let detail =
                format!("the document uses more than {} values of variables: send it in parts", self.values);
            return Err((GraphqlErrorCode::TooManyValues, detail));
        }
        if all.cost.saturating_add(all.scans) > self.cost {
            let detail = "the document asks for too much at once: ask for smaller pages or fewer fields";
            return Err((GraphqlErrorCode::TooCostly, detail.to_owned()));
        }
        Ok(())
    }
}

fn too_deep(most: usize) -> Refusal {
    (GraphqlErrorCode::TooDeep, format!("the document is nested deeper than {most} levels"))
}

/// What a part of a document adds to the work.
#[derive(Clone, Copy, Default)]
struct Weight {
    cost: usize,
    /// What makes the database look at all products, whatever the size of the page.
    scans: usize,
    /// What fields are given of variables.
    sent: Size,
    height: usize,
    root_fields: usize,
    aliases: usize,
    directives: usize,
    introspects: bool,
}

impl Weight {
    /// Of what would be looked at for ever.
    const ENDLESS: Self = Self {
        cost: usize::MAX,
        scans: 0,
        sent: Size { values: 0, text: 0 },
        height: usize::MAX,
        root_fields: 0,
        aliases: 0,
        directives: 0,
        introspects: false,
    };

    fn beside(self, other: Self) -> Self {
        Self {
            cost: self.cost.saturating_add(other.cost),
            scans: self.scans.saturating_add(other.scans),
            sent: self.sent.and(other.sent),
            height: self.height.max(other.height),
            root_fields: self.root_fields.saturating_add(other.root_fields),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            introspects: self.introspects || other.introspects,
        }
    }

    fn below(self, cost: usize) -> Self {
        Self { cost: self.cost.saturating_add(cost), height: self.height.saturating_add(1), ..self }
    }

    fn with_directives(self, directives: &[Positioned<Directive>]) -> Self {
        Self { directives: self.directives.saturating_add(directives.len()), ..self }
    }
}

/// How large values are.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    /// In bytes.
    text: usize,
}

impl Size {
    fn of(value: &ConstValue) -> Self {
        let one = Self { values: 1, text: 0 };
        match value {
            ConstValue::String(text) => Self { text: text.len(), ..one },
            ConstValue::List(items) => items.iter().map(Self::of).fold(one, Self::and),
            ConstValue::Object(fields) => fields.values().map(Self::of).fold(one, Self::and),
            _ => one,
        }
    }

    fn and(self, other: Self) -> Self {
        Self { values: self.values.saturating_add(other.values), text: self.text.saturating_add(other.text) }
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
    /// Of variables and their defaults.
    sizes: HashMap<&'a str, Size>,
    /// Each fragment is looked at once; one that is being looked at is in a circle.
    fragments: HashMap<(&'a Name, bool), Weight>,
    max_height: usize,
}

impl<'a> Weights<'a> {
    /// Whether a fragment was come upon.
    fn knows(&self, name: &Name) -> bool {
        [true, false].into_iter().any(|root| self.fragments.contains_key(&(name, root)))
    }

    fn set(&mut self, set: &'a SelectionSet, place: Place) -> Weight {
        if place.level > self.max_height {
            return Weight::ENDLESS;
        }
        let inner = Place { level: place.level + 1, ..place };
        let weights = set.items.iter().map(|item| match &item.node {
            Selection::Field(field) => self.field(&field.node, inner),
            Selection::InlineFragment(fragment) => {
                let fragment = &fragment.node;
                self.set(&fragment.selection_set.node, inner).below(1).with_directives(&fragment.directives)
            }
            Selection::FragmentSpread(spread) => {
                let spread = &spread.node;
                self.fragment(&spread.fragment_name.node, inner).below(1).with_directives(&spread.directives)
            }
        });
        weights.fold(Weight::default(), Weight::beside)
    }

    fn field(&mut self, field: &'a Field, place: Place) -> Weight {
        let inner = self.set(&field.selection_set.node, Place { root: false, ..place });
        let inner = inner.with_directives(&field.directives);
        let sent =
            field.arguments.iter().map(|(_, value)| self.sent(&value.node)).fold(inner.sent, Size::and);
        let scans = if scans(field) { SCAN_COST } else { 0 };
        let inner = Weight {
            cost: inner.cost.max(1).saturating_mul(self.list_size(field)),
            aliases: inner.aliases.saturating_add(usize::from(field.alias.is_some())),
            scans: inner.scans.saturating_add(scans),
            sent,
            ..inner
        };
        if !place.root {
            return inner.below(1);
        }
        let introspects = matches!(field.name.node.as_str(), "__schema" | "__type");
        Weight { root_fields: 1, introspects, ..inner }.below(ROOT_FIELD_COST)
    }

    /// The variables in a value.
    fn sent(&self, value: &Value) -> Size {
        match value {
            Value::Variable(name) => self.sizes.get(name.as_str()).copied().unwrap_or_default(),
            Value::List(items) => items.iter().map(|item| self.sent(item)).fold(Size::default(), Size::and),
            Value::Object(fields) => {
                fields.values().map(|field| self.sent(field)).fold(Size::default(), Size::and)
            }
            _ => Size::default(),
        }
    }

    fn fragment(&mut self, name: &'a Name, place: Place) -> Weight {
        if let Some(weight) = self.fragments.get(&(name, place.root)) {
            return *weight;
        }
        // A fragment that is not there is for the validation to name.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Weight::default();
        };
        self.fragments.insert((name, place.root), Weight::ENDLESS);
        let weight = self.set(&fragment.node.selection_set.node, place);
        self.fragments.insert((name, place.root), weight);
        weight
    }

    /// How many products a field of the root answers at most: what its fields cost is multiplied by it.
    /// How many there are of it, about: at least 1, since also for an empty page the document is walked.
    fn list_size(&self, field: &Field) -> usize {
        let argument = |name| field.get_argument(name).and_then(|value| self.size(&value.node));
        let size = match field.name.node.as_str() {
            "products" => argument("first").max(argument("last")).unwrap_or(DEFAULT_PAGE),
            "createProducts" | "replaceProducts" | "upsertProducts" => argument("inputs").unwrap_or(1),
            // Of the schema.
            "types" => 20,
            "fields" | "inputFields" | "enumValues" | "directives" => 5,
            "args" | "interfaces" | "possibleTypes" => 2,
            _ => 1,
        };
        size.max(1)
    }

    /// A number, or the length of a list; none for null. A variable that was not sent may have any default.
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

/// Whether the database may have to look at all products for a field.
fn scans(field: &Field) -> bool {
    match field.name.node.as_str() {
        "totalCount" | "deleteProducts" => true,
        "products" => ["filter", "orderBy"].into_iter().any(|name| field.get_argument(name).is_some()),
        _ => false,
    }
}

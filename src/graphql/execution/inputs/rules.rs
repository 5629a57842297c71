//! Validation rules for variables that async-graphql applies too leniently or not at all. They depend on the
//! document alone, so a cached document is checked once.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, VariableDefinition},
    registry::MetaTypeName,
};
use async_graphql_value::ConstValue;

use super::{
    uses::{Scope, VariableUse},
    values::Nulls,
};

/// Rules for the variable values of a valid document, by operation name.
#[derive(Debug, Default)]
pub struct VariableRules(HashMap<Option<Name>, OperationRules>);

/// Rules for the variable values of an operation.
#[derive(Debug, Default)]
pub struct OperationRules {
    pub variables: Vec<VariableRule>,
    /// Uses of nullable variables that must not be null.
    pub non_null_uses: Vec<NonNullUse>,
}

/// A variable's definition.
#[derive(Debug)]
pub struct VariableRule {
    pub name: Name,
    /// Name with the dollar sign.
    pub label: String,
    /// Type in GraphQL's notation.
    pub kind: String,
    pub pos: Pos,
    pub is_required: bool,
}

/// Use of a nullable variable in a position that must not be null.
#[derive(Debug)]
pub struct NonNullUse {
    pub variable: Name,
    pub pos: Pos,
    /// Whether the variable must be sent. Otherwise it may be absent.
    pub is_required: bool,
    /// Error message for a variable without a value.
    pub message: String,
}

impl VariableRules {
    /// Checks a document.
    ///
    /// # Errors
    /// Returns all errors. Unknown fields and arguments are left to async-graphql.
    pub fn new(document: &ExecutableDocument) -> Result<Self, Vec<ServerError>> {
        let mut errors = Vec::new();
        let mut fragments = HashMap::new();
        for (name, fragment) in &document.fragments {
            fragments.insert(name, Scope::of_fragment(&fragment.node, &mut errors));
        }
        let mut rules = HashMap::new();
        for (name, operation) in document.operations.iter() {
            let definitions = &operation.node.variable_definitions;
            let scope = Scope::of_operation(&operation.node, &mut errors);
            let non_null_uses = check_uses(definitions, &scope, &fragments, &mut errors);
            let variables = definitions.iter().map(VariableRule::new).collect();
            rules.insert(name.cloned(), OperationRules { variables, non_null_uses });
        }
        if errors.is_empty() { Ok(Self(rules)) } else { Err(errors) }
    }

    /// Returns the rules of an operation, or `None` if the document has no operation of this name.
    pub fn of_operation(&self, name: Option<&Name>) -> Option<&OperationRules> {
        self.0.get(&name.cloned())
    }
}

impl VariableRule {
    fn new(definition: &Positioned<VariableDefinition>) -> Self {
        let Positioned { node: definition, pos } = definition;
        Self {
            name: definition.name.node.clone(),
            label: format!("${}", definition.name.node),
            kind: definition.var_type.node.to_string(),
            pos: *pos,
            is_required: !definition.var_type.node.nullable && definition.default_value.is_none(),
        }
    }
}

impl From<&VariableUse> for NonNullUse {
    fn from(usage: &VariableUse) -> Self {
        let VariableUse { variable, pos, null_message, .. } = usage;
        Self { variable: variable.clone(), pos: *pos, is_required: false, message: null_message.clone() }
    }
}

/// Checks all uses of an operation's variables, also in fragments (section 5.8.5). Returns the uses of
/// nullable variables that must not be null.
fn check_uses(
    definitions: &[Positioned<VariableDefinition>],
    scope: &Scope,
    fragments: &HashMap<&Name, Scope>,
    errors: &mut Vec<ServerError>,
) -> Vec<NonNullUse> {
    let definitions: HashMap<_, _> =
        definitions.iter().map(|definition| (&definition.node.name.node, &definition.node)).collect();
    let mut non_null_uses = IndexMap::new();
    let mut visited = HashSet::new();
    let mut scopes = vec![scope];
    while let Some(scope) = scopes.pop() {
        let unvisited = scope.spreads.iter().filter(|name| visited.insert(*name));
        scopes.extend(unvisited.filter_map(|name| fragments.get(name)));
        for usage in &scope.uses {
            // The library rejects unknown variables.
            let Some(definition) = definitions.get(&usage.variable) else {
                continue;
            };
            if !is_allowed(definition, usage) {
                let VariableUse { variable, path, kind, .. } = usage;
                let actual = &definition.var_type.node;
                let message = format!("`${variable}` is of type {actual}, but `{path}` is of type {kind}");
                errors.push(ServerError::new(message, Some(usage.pos)));
            } else if definition.var_type.node.nullable
                && (usage.nulls != Nulls::Accepted || usage.kind.ends_with('!'))
            {
                let default = definition.default_value.as_ref().map(|default| &default.node);
                let must_be_sent = usage.nulls == Nulls::RejectedAsAbsent;
                let is_required = default.map_or(must_be_sent, |default| *default == ConstValue::Null);
                // One use of each variable is enough, which bounds the memory of a cached document.
                let strictest: &mut NonNullUse =
                    non_null_uses.entry(&usage.variable).or_insert_with(|| NonNullUse::from(usage));
                if is_required && !strictest.is_required {
                    *strictest = NonNullUse { is_required, ..NonNullUse::from(usage) };
                }
            }
        }
    }
    non_null_uses.into_values().collect()
}

/// Returns whether a variable may be used in this position (section 5.8.5, `IsVariableUsageAllowed`).
fn is_allowed(definition: &VariableDefinition, usage: &VariableUse) -> bool {
    let kind = definition.var_type.node.to_string();
    let has_default = usage.has_default
        || definition.default_value.as_ref().is_some_and(|default| default.node != ConstValue::Null);
    match usage.kind.strip_suffix('!') {
        Some(nullable) if definition.var_type.node.nullable => has_default && is_compatible(&kind, nullable),
        _ => is_compatible(&kind, &usage.kind),
    }
}

/// Returns whether each value of the type `actual` is one of the type `expected` (section 5.8.5,
/// `AreTypesCompatible`).
fn is_compatible(actual: &str, expected: &str) -> bool {
    match (MetaTypeName::create(actual), MetaTypeName::create(expected)) {
        (MetaTypeName::NonNull(actual), MetaTypeName::NonNull(expected))
        | (MetaTypeName::List(actual), MetaTypeName::List(expected)) => is_compatible(actual, expected),
        (MetaTypeName::NonNull(actual), _) => is_compatible(actual, expected),
        (MetaTypeName::Named(actual), MetaTypeName::Named(expected)) => actual == expected,
        _ => false,
    }
}

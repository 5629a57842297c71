//! Checks the input values in a document (GraphQL specification, section 5.6), and collects the uses of variables.

use async_graphql::{
    Name, Pos, Positioned, ServerError,
    indexmap::IndexMap,
    parser::types::{
        Directive, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
    },
    registry::{MetaInputValue, MetaType, MetaTypeName},
};
use async_graphql_value::Value;

use super::values::{self, Location, Nulls, Source, null_value};
use crate::graphql::schema::registry::REGISTRY;

/// Variables and fragments that an operation or a fragment uses.
#[derive(Default)]
pub struct Scope {
    pub uses: Vec<VariableUse>,
    pub spreads: Vec<Name>,
}

/// Use of a variable in an argument, directly or within a list or an object.
pub struct VariableUse {
    pub variable: Name,
    pub pos: Pos,
    /// Type that the position requires, in GraphQL's notation.
    pub kind: String,
    /// Whether the schema has a default for the position.
    pub has_default: bool,
    pub nulls: Nulls,
    /// Path of the position, such as `filter.id.eq`.
    pub path: String,
    /// Error message for null in this position.
    pub null_message: String,
}

impl Scope {
    /// Checks the values in an operation, without its fragments. Adds the errors to `errors`.
    pub fn of_operation(operation: &OperationDefinition, errors: &mut Vec<ServerError>) -> Self {
        let mut walk = Walk { errors, scope: Self::default() };
        walk.operation(operation);
        walk.scope
    }

    /// Checks the values in a fragment, without the fragments in it. Adds the errors to `errors`.
    pub fn of_fragment(fragment: &FragmentDefinition, errors: &mut Vec<ServerError>) -> Self {
        let mut walk = Walk { errors, scope: Self::default() };
        walk.directives(&fragment.directives);
        let parent = REGISTRY.types.get(fragment.type_condition.node.on.node.as_str());
        walk.selection_set(&fragment.selection_set.node, parent);
        walk.scope
    }
}

struct Walk<'a> {
    errors: &'a mut Vec<ServerError>,
    scope: Scope,
}

impl Walk<'_> {
    fn operation(&mut self, operation: &OperationDefinition) {
        for Positioned { node: definition, pos } in &operation.variable_definitions {
            // The library does not check their positions, and the schema has no directive for variables.
            if let Some(Positioned { node: directive, pos }) = definition.directives.first() {
                let message = format!("@{} may not be used on a variable", directive.name.node);
                self.errors.push(ServerError::new(message, Some(*pos)));
            }
            let kind = definition.var_type.node.to_string();
            let known = REGISTRY.types.get(MetaTypeName::concrete_typename(&kind));
            if !known.is_some_and(MetaType::is_input) {
                let message = format!("`${}` must have an input type, not {kind}", definition.name.node);
                self.errors.push(ServerError::new(message, Some(*pos)));
                continue;
            }
            if let Some(default) = &definition.default_value {
                let label = format!("${}", definition.name.node);
                let location = Location::new(&label, &kind, false);
                // A default has no variables.
                let check = values::check(&default.node, &location, Source::Document, &mut |_, _| {});
                self.errors.extend(check.err().map(|message| ServerError::new(message, Some(*pos))));
            }
        }
        self.directives(&operation.directives);
        let root = match operation.ty {
            OperationType::Query => Some(&REGISTRY.query_type),
            OperationType::Mutation => REGISTRY.mutation_type.as_ref(),
            OperationType::Subscription => REGISTRY.subscription_type.as_ref(),
        };
        self.selection_set(&operation.selection_set.node, root.and_then(|root| REGISTRY.types.get(root)));
    }

    /// Checks a selection set. The recursion is as deep as the document's nesting, which
    /// [`is_too_deep`](super::super::nesting_depth::is_too_deep) limits.
    fn selection_set(&mut self, set: &SelectionSet, parent: Option<&MetaType>) {
        for item in &set.items {
            self.directives(item.node.directives());
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let known = parent.and_then(|parent| parent.field_by_name(&field.name.node));
                    if let Some(known) = known {
                        self.arguments(&field.arguments, &known.args);
                    }
                    if let Some((name, _)) = field.arguments.first()
                        && field.name.node == "__typename"
                    {
                        let message = format!("`{}` is not an argument of __typename", name.node);
                        self.errors.push(ServerError::new(message, Some(name.pos)));
                    }
                    let kind = known.map(|field| MetaTypeName::concrete_typename(&field.ty));
                    let kind = kind.and_then(|kind| REGISTRY.types.get(kind));
                    self.selection_set(&field.selection_set.node, kind);
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let condition = condition.map(|kind| REGISTRY.types.get(kind.node.on.node.as_str()));
                    self.selection_set(&fragment.node.selection_set.node, condition.unwrap_or(parent));
                }
                Selection::FragmentSpread(spread) => {
                    self.scope.spreads.push(spread.node.fragment_name.node.clone());
                }
            }
        }
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        for Positioned { node: directive, .. } in directives {
            let Some(known) = REGISTRY.directives.get(directive.name.node.as_str()) else {
                continue;
            };
            self.arguments(&directive.arguments, &known.args);
            // The library would suggest names even if introspection is disabled.
            let is_unknown = |name: &Name| !known.args.contains_key(name.as_str());
            for (Positioned { node: name, pos }, _) in &directive.arguments {
                if is_unknown(name) {
                    let message = format!("`{name}` is not an argument of @{}", directive.name.node);
                    self.errors.push(ServerError::new(message, Some(*pos)));
                }
            }
        }
    }

    fn arguments(
        &mut self,
        arguments: &[(Positioned<Name>, Positioned<Value>)],
        known: &IndexMap<String, MetaInputValue>,
    ) {
        for (Positioned { node: name, pos }, value) in arguments {
            let Some(argument) = known.get(name.as_str()) else {
                continue;
            };
            let mut use_variable = |variable: &Name, at: &Location| {
                self.scope.uses.push(VariableUse {
                    variable: variable.clone(),
                    pos: *pos,
                    kind: at.kind.to_owned(),
                    has_default: at.has_default,
                    nulls: at.nulls,
                    path: at.to_string(),
                    null_message: null_value(at),
                });
            };
            let location = Location::of_argument(argument);
            let check = values::check(&value.node, &location, Source::Document, &mut use_variable);
            self.errors.extend(check.err().map(|message| ServerError::new(message, Some(*pos))));
        }
    }
}

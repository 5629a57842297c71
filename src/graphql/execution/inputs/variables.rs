//! Variable values of a request (GraphQL specification, section 6.1.2, `CoerceVariableValues`). async-graphql
//! would check some of them only when it executes the field, after other fields have run.

use async_graphql::{Pos, ServerError, Value, Variables, parser::types::OperationDefinition};

use super::{
    rules::OperationRules,
    values::{self, Location, Source},
};

/// Checks the variables of an operation.
///
/// # Errors
/// Returns an error for each variable that is missing or invalid.
pub fn check(variables: &Variables, rules: &OperationRules) -> Result<(), Vec<ServerError>> {
    let mut errors = Vec::new();
    let mut add = |message, pos: Pos| errors.push(ServerError::new(message, Some(pos)));
    for rule in &rules.variables {
        match variables.get(&rule.name) {
            Some(value) => {
                let location = Location::new(&rule.label, &rule.kind, false);
                if let Err(message) = values::check(value, &location, Source::Json, &mut |_, _| {}) {
                    add(message, rule.pos);
                }
            }
            None if rule.is_required => add(format!("`{}` is missing", rule.label), rule.pos),
            None => {}
        }
    }
    for usage in &rules.non_null_uses {
        let is_invalid = match variables.get(&usage.variable) {
            Some(value) => *value == Value::Null,
            None => usage.is_required,
        };
        if is_invalid {
            add(usage.message.clone(), usage.pos);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Adds the defaults of the variables that were not sent. async-graphql applies defaults, but not to `@skip`
/// and `@include`.
pub fn add_defaults(variables: &mut Variables, operation: &OperationDefinition) {
    for definition in &operation.variable_definitions {
        if let Some(default) = &definition.node.default_value {
            let name = &definition.node.name.node;
            if !variables.contains_key(name) {
                variables.insert(name.clone(), default.node.clone());
            }
        }
    }
}

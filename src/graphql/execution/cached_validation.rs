//! Caches validation results by document and kinds of variable values, because usually nothing else affects
//! the result. Variables of custom types, lists and objects are validated for every request, because their
//! values matter. For example, a string may name an enum value.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_graphql::{
    CacheControl, Positioned, ServerError, ValidationResult, Variables,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::{BaseType, Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Name, Value};

/// Built-in scalars, for which the kind of a value decides whether the value is valid.
const BUILT_IN_SCALARS: [&str; 5] = ["ID", "String", "Int", "Float", "Boolean"];

/// Kinds of the values of an operation's variables, three bits each after a leading 1.
pub struct VariableKinds(u64);

impl VariableKinds {
    const BITS_PER_KIND: u32 = 3;

    /// Returns the kinds. Returns `None` if validation depends on the values, or 64 bits cannot hold the
    /// kinds.
    pub fn new(operation: &OperationDefinition, variables: &Variables) -> Option<Self> {
        let mut kinds = 1;
        for definition in &operation.variable_definitions {
            let BaseType::Named(name) = &definition.node.var_type.node.base else {
                return None;
            };
            if !BUILT_IN_SCALARS.contains(&name.as_str()) || kinds >> (u64::BITS - Self::BITS_PER_KIND) != 0 {
                return None;
            }
            kinds = kinds << Self::BITS_PER_KIND | kind(variables.get(&definition.node.name.node))?;
        }
        Some(Self(kinds))
    }
}

fn kind(value: Option<&ConstValue>) -> Option<u64> {
    Some(match value {
        None => 0,
        Some(ConstValue::Null) => 1,
        Some(ConstValue::Boolean(_)) => 2,
        Some(ConstValue::String(_)) => 3,
        Some(ConstValue::Number(number)) if number.is_i64() => 4,
        Some(ConstValue::Number(_)) => 5,
        Some(_) => return None,
    })
}

/// Returns whether any list or object in the document contains a variable.
pub fn has_nested_variables(document: &ExecutableDocument) -> bool {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let operations = operations.map(|operation| (&operation.directives, &operation.selection_set));
    let fragments = document.fragments.values().map(|fragment| &fragment.node);
    let fragments = fragments.map(|fragment| (&fragment.directives, &fragment.selection_set));
    operations
        .chain(fragments)
        .any(|(directives, set)| in_directives(directives) || in_selection_set(&set.node))
}

/// Returns whether any list or object in a selection set contains a variable. The recursion is as deep as the
/// document's nesting, which [`is_too_deep`](super::nesting_depth::is_too_deep) limits.
fn in_selection_set(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            let field = &field.node;
            in_arguments(&field.arguments)
                || in_directives(&field.directives)
                || in_selection_set(&field.selection_set.node)
        }
        Selection::InlineFragment(fragment) => {
            in_directives(&fragment.node.directives) || in_selection_set(&fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => in_directives(&spread.node.directives),
    })
}

fn in_directives(directives: &[Positioned<Directive>]) -> bool {
    directives.iter().any(|directive| in_arguments(&directive.node.arguments))
}

fn in_arguments(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> bool {
    let has_nested = |(_, value): &(_, Positioned<Value>)| {
        !matches!(value.node, Value::Variable(_)) && value.node.clone().into_const().is_none()
    };
    arguments.iter().any(has_nested)
}

/// Variable kinds of a document's last successful validation, or 0 before the first.
#[derive(Default)]
pub struct LastValidated(AtomicU64);

/// Request data: the document's last validation and the kinds of this request.
pub struct ValidationState {
    pub last: Arc<LastValidated>,
    pub kinds: VariableKinds,
}

impl ValidationState {
    /// Returns whether the last successful validation had the same kinds.
    pub fn is_cached(&self) -> bool {
        self.last.0.load(Relaxed) == self.kinds.0
    }
}

/// Extension that skips validation if its result is cached.
pub struct CachedValidation;

impl ExtensionFactory for CachedValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for CachedValidation {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let Some(state) = ctx.data_opt::<ValidationState>() else {
            return next.run(ctx).await;
        };
        if !state.is_cached() {
            next.run(ctx).await?;
            state.last.0.store(state.kinds.0, Relaxed);
        }
        // These values are never read: `Limits` replaces the library's limits, and the schema has no cache
        // hints.
        Ok(ValidationResult { cache_control: CacheControl::default(), complexity: 0, depth: 0 })
    }
}

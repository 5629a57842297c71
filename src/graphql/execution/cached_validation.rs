//! Documents are validated once. The rules look at the schema, which stays as it is, at the document, and at the kinds of its
//! variables' values. Where they look at more, a document is validated for each request: at values of types of our own, and
//! at those in lists and objects, where a text may stand for one of an enum.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_graphql::{
    CacheControl, Positioned, ServerError, ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::{BaseType, Directive, ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::{ConstValue, Name, Value};

use crate::graphql::transport::request::Given;

/// The types of GraphQL's own scalars: a value is valid for them by its kind alone.
const SCALARS: [&str; 5] = ["ID", "String", "Int", "Float", "Boolean"];

/// The kinds of the values that an operation's variables have.
pub struct Kinds(u64);

impl Kinds {
    const BITS: u32 = 3;

    /// None where validation looks closer than at kinds, or there are too many.
    pub fn of(operation: &OperationDefinition, variables: &Given) -> Option<Self> {
        let mut kinds = 1;
        for definition in &operation.variable_definitions {
            let BaseType::Named(name) = &definition.node.var_type.node.base else {
                return None;
            };
            if !SCALARS.contains(&name.as_str()) || kinds >> (u64::BITS - Self::BITS) != 0 {
                return None;
            }
            kinds = kinds << Self::BITS | kind(variables.get(&definition.node.name.node))?;
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
        Some(ConstValue::Number(number)) if number.is_u64() => 5,
        Some(ConstValue::Number(_)) => 6,
        Some(_) => return None,
    })
}

/// Whether there are variables within lists or objects.
pub fn has_variables_in_values(document: &ExecutableDocument) -> bool {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node);
    let operations = operations.map(|operation| (&operation.directives, &operation.selection_set));
    let fragments = document.fragments.values().map(|fragment| &fragment.node);
    let fragments = fragments.map(|fragment| (&fragment.directives, &fragment.selection_set));
    operations.chain(fragments).any(|(directives, set)| in_directives(directives) || in_set(&set.node))
}

/// Recurses as the document is nested, which has its limit.
fn in_set(set: &SelectionSet) -> bool {
    set.items.iter().any(|item| match &item.node {
        Selection::Field(field) => {
            let field = &field.node;
            in_arguments(&field.arguments)
                || in_directives(&field.directives)
                || in_set(&field.selection_set.node)
        }
        Selection::InlineFragment(fragment) => {
            in_directives(&fragment.node.directives) || in_set(&fragment.node.selection_set.node)
        }
        Selection::FragmentSpread(spread) => in_directives(&spread.node.directives),
    })
}

fn in_directives(directives: &[Positioned<Directive>]) -> bool {
    directives.iter().any(|directive| in_arguments(&directive.node.arguments))
}

fn in_arguments(arguments: &[(Positioned<Name>, Positioned<Value>)]) -> bool {
    // A value that is a variable has none within.
    let has_any = |(_, value): &(_, Positioned<Value>)| {
        !matches!(value.node, Value::Variable(_)) && value.node.clone().into_const().is_none()
    };
    arguments.iter().any(has_any)
}

/// The kinds that a document was last found valid with.
#[derive(Default)]
pub struct Found(AtomicU64);

/// In the data of a request: what its validation depends on.
pub struct Validation {
    pub found: Arc<Found>,
    pub kinds: Kinds,
}

impl Validation {
    /// Whether the document was found valid with these kinds before.
    pub fn is_over(&self) -> bool {
        self.found.0.load(Relaxed) == self.kinds.0
    }
}

/// Passes over the validation of what was found valid before.
pub struct IdempotentResponse;

impl ExtensionFactory for IdempotentResponse {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for IdempotentResponse {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let Some(validation) = ctx.data_opt::<Validation>() else {
            return next.run(ctx).await;
        };
        if !validation.is_over() {
            next.run(ctx).await?;
            validation.found.0.store(validation.kinds.0, Relaxed);
        }
        // Limits are ours and the schema says nothing of caches: nobody asks for these.
        Ok(ValidationResult { cache_control: CacheControl::default(), complexity: 0, depth: 0 })
    }
}

//! Validates documents, without their variables. Validation is separate from execution, so that a cached
//! document is validated once and its variables may differ.

use std::{mem, sync::Arc};

use async_graphql::{
    CacheControl, Positioned, Request, ServerError, ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::{DocumentOperations, ExecutableDocument, InlineFragment, Selection, SelectionSet},
};

use super::{field_conflicts::conflicts, inputs::rules::VariableRules};
use crate::graphql::schema::Schema;

/// Validates a document and returns the rules for its variables.
///
/// # Errors
/// Returns the validation errors.
pub async fn validate(
    document: &ExecutableDocument,
    schema: &Schema,
) -> Result<VariableRules, Vec<ServerError>> {
    // These rules come first, because the library panics if the type of a list variable is unknown.
    let rules = VariableRules::new(document)?;
    let mut visible = document.clone();
    show_directives(&mut visible);
    let mut request = Request::new("").data(ValidateOnly);
    request.set_parsed_query(visible);
    let errors = schema.execute(request).await.errors;
    if !errors.is_empty() {
        return Err(errors);
    }
    let conflicts = conflicts(document);
    if conflicts.is_empty() { Ok(rules) } else { Err(conflicts) }
}

/// Moves the directives of `__typename` fields to inline fragments, because the library ignores those on
/// `__typename`. It would report their variables as unused, and accept unknown directives.
fn show_directives(document: &mut ExecutableDocument) {
    let operations = match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    };
    let operations = operations.into_iter().map(|operation| &mut operation.node.selection_set.node);
    let fragments = document.fragments.values_mut().map(|fragment| &mut fragment.node.selection_set.node);
    operations.chain(fragments).for_each(show_directives_in);
}

/// Does the same in a selection set. The recursion is as deep as the document's nesting, which
/// [`is_too_deep`](super::nesting_depth::is_too_deep) limits.
fn show_directives_in(set: &mut SelectionSet) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) if field.node.name.node == "__typename" => {
                let directives = mem::take(&mut field.node.directives);
                if !directives.is_empty() {
                    let selection_set = SelectionSet { items: vec![item.clone()] };
                    let selection_set = Positioned::new(selection_set, item.pos);
                    let fragment = InlineFragment { type_condition: None, directives, selection_set };
                    item.node = Selection::InlineFragment(Positioned::new(fragment, item.pos));
                }
            }
            Selection::Field(field) => show_directives_in(&mut field.node.selection_set.node),
            Selection::InlineFragment(fragment) => show_directives_in(&mut fragment.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Request data that ends the request after validation.
struct ValidateOnly;

/// Extension that separates validation from execution.
pub struct SeparateValidation;

impl ExtensionFactory for SeparateValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for SeparateValidation {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        if ctx.data_opt::<ValidateOnly>().is_some() {
            next.run(ctx).await?;
            return Err(Vec::new());
        }
        // These values are never read: `Limits` replaces the library's limits, and the schema has no cache
        // hints.
        Ok(ValidationResult { cache_control: CacheControl::default(), complexity: 0, depth: 0 })
    }
}

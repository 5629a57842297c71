//! Validates documents, without their variables. Validation is separate from execution, so that a cached
//! document is validated once and its variables may differ.

use std::sync::Arc;

use async_graphql::{
    CacheControl, Request, ServerError, ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::ExecutableDocument,
};

use super::inputs::rules::VariableRules;
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
    let mut request = Request::new("").data(ValidateOnly);
    request.set_parsed_query(document.clone());
    let errors = schema.execute(request).await.errors;
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
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

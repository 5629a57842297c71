//! Limits against hostile documents. They are checked before any work that can grow faster than the document.
//! The parser recurses, and validation and execution walk a fragment once per spread.

use std::time::Duration;

use async_graphql::{Variables, parser::types::ExecutableDocument};

use super::{
    cost::{Cost, CostAnalysis, MAX_VARIABLE_TEXT},
    nesting_depth::{MAX_NESTING, is_too_deep},
};
use crate::graphql::error::{GraphqlErrorCode, RequestError};

/// Limits on GraphQL requests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum document size in bytes, which bounds the time to parse it.
    pub bytes: usize,
    /// Maximum depth of nested fields and fragments. Code that walks documents and responses recurses to this
    /// depth.
    pub depth: usize,
    /// Maximum cost in points, as [`CostAnalysis`] computes them.
    pub cost: usize,
    /// Maximum number of values in variables, counted once per use of the variable.
    pub values: usize,
    pub root_fields: usize,
    pub aliases: usize,
    /// Maximum number of directives, each of which requires a lookup.
    pub directives: usize,
    /// Maximum number of requests in a batch. The values 0 and 1 disable batches.
    pub batch: usize,
    /// Maximum execution time of a query or mutation.
    pub timeout: Duration,
    /// Whether introspection is enabled.
    pub introspection: bool,
}

impl Limits {
    /// Checks the size and nesting of a document's text, before parsing.
    pub(in crate::graphql) fn check_text(&self, text: &str) -> Result<(), RequestError> {
        if text.len() > self.bytes {
            let max = self.bytes;
            let detail = format!("the document is larger than {max} bytes: send values as variables");
            return Err((GraphqlErrorCode::DocumentTooLarge, detail));
        }
        if is_too_deep(text) { Err(too_deep(MAX_NESTING)) } else { Ok(()) }
    }

    /// Checks a parsed document and its variables, before validation. Returns the cost.
    pub(in crate::graphql) fn check(
        &self,
        document: &ExecutableDocument,
        variables: &Variables,
    ) -> Result<Cost, RequestError> {
        let mut analysis = CostAnalysis::new(document, variables, self.depth);
        let total = analysis.total();
        let too_many =
            |what: &str, max: usize| format!("the document has more than {max} {what}: split the request");
        if total.introspects && !self.introspection {
            return Err((
                GraphqlErrorCode::IntrospectionDisabled,
                "introspection is disabled on this server".to_owned(),
            ));
        }
        if total.depth > self.depth {
            return Err(too_deep(self.depth));
        }
        // The analysis skips unused fragments, but validation would walk them before rejecting the document.
        if let Some(unused) = document.fragments.keys().find(|name| !analysis.has_visited(name)) {
            return Err((GraphqlErrorCode::Invalid, format!("the fragment {unused} is never used")));
        }
        if total.root_fields > self.root_fields {
            return Err((GraphqlErrorCode::TooManyRootFields, too_many("root fields", self.root_fields)));
        }
        if total.aliases > self.aliases {
            return Err((GraphqlErrorCode::TooManyAliases, too_many("aliases", self.aliases)));
        }
        if total.directives > self.directives {
            return Err((GraphqlErrorCode::TooManyDirectives, too_many("directives", self.directives)));
        }
        if total.variables.values > self.values || total.variables.text > MAX_VARIABLE_TEXT {
            let detail =
                format!("the document uses more than {} variable values: split the request", self.values);
            return Err((GraphqlErrorCode::TooManyValues, detail));
        }
        if total.total_points() > self.cost {
            let detail = "the document is too costly: request smaller pages or fewer fields";
            return Err((GraphqlErrorCode::TooCostly, detail.to_owned()));
        }
        Ok(total)
    }
}

fn too_deep(max: usize) -> RequestError {
    (GraphqlErrorCode::TooDeep, format!("the document is nested deeper than {max} levels"))
}

//! Reports of operations, for metrics.

use std::time::Duration;

use async_graphql::parser::types::OperationType;

use crate::graphql::error::GraphqlErrorCode;

/// Receives the outcomes of operations.
pub trait OperationObserver: Send + Sync {
    /// Records an operation that has ended or was rejected. `time` is `None` for subscriptions and rejected
    /// operations.
    fn ended(&self, kind: OperationKind, name: Option<&str>, outcome: Outcome, time: Option<Duration>);
    /// Records an error in a response.
    fn failed(&self, code: GraphqlErrorCode);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
    /// The document was rejected, or has no operation that the request selects.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The response has errors.
    Error,
    /// The request was rejected before execution.
    Rejected,
}

impl OperationKind {
    /// Returns the keyword of the operation in a document, or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
            Self::Unknown => "unknown",
        }
    }
}

impl From<Option<OperationType>> for OperationKind {
    fn from(operation: Option<OperationType>) -> Self {
        match operation {
            Some(OperationType::Query) => Self::Query,
            Some(OperationType::Mutation) => Self::Mutation,
            Some(OperationType::Subscription) => Self::Subscription,
            None => Self::Unknown,
        }
    }
}

impl Outcome {
    /// Returns the outcome of an executed operation.
    pub fn executed(has_errors: bool) -> Self {
        if has_errors { Self::Error } else { Self::Ok }
    }
}

//! The audit log: a line for each change, each request that is denied, and each change of a token. The log filter
//! does not affect it. Like every line, its lines name the caller, the client's address and the request.

use std::{
    fmt::Display,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::info;

use crate::{
    domain::{ApiToken, Error, Product, ProductId},
    request_context::{self, RequestContext},
};

/// Target of the lines.
pub const TARGET: &str = "audit";

/// Maximum number of ids on a line.
const MAX_IDS: usize = 20;

/// A change in progress. Dropping it writes its line, also if the client disconnects before the change is completed.
#[must_use]
pub struct Change {
    line: Line,
    /// Lines of the transaction that the change is part of; `None` if the change is a transaction of its own.
    transaction: Option<TransactionLines>,
}

#[derive(Debug, Default)]
struct Line {
    operation: &'static str,
    /// Ids or filter of the products.
    products: String,
    count: u64,
    outcome: &'static str,
    error: Option<String>,
    request: Option<RequestContext>,
}

/// Lines of the changes in a transaction, which are written at its end. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TransactionLines(Arc<Mutex<Vec<Line>>>);

/// Products of a completed change, as its line names them.
pub trait ChangedProducts {
    /// Returns their number, and their ids if these are known.
    fn describe(&self) -> (u64, Option<String>);
}

impl ChangedProducts for Product {
    fn describe(&self) -> (u64, Option<String>) {
        (1, Some(self.id.to_string()))
    }
}

impl ChangedProducts for Vec<Product> {
    fn describe(&self) -> (u64, Option<String>) {
        (self.len() as u64, Some(list(self.iter().map(|product| product.id))))
    }
}

/// The number of products, if only that is known.
impl ChangedProducts for u64 {
    fn describe(&self) -> (u64, Option<String>) {
        (*self, None)
    }
}

/// Returns the first of the ids as text, and the number of all others.
fn list(ids: impl ExactSizeIterator<Item = ProductId>) -> String {
    let others = ids.len().saturating_sub(MAX_IDS);
    let text = ids.take(MAX_IDS).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    if others == 0 { text } else { format!("{text} and {others} more") }
}

impl Change {
    /// Begins a change of the current request. `products` describes its products: ids, a filter, or nothing for new
    /// ones.
    pub fn new(
        operation: &'static str,
        products: impl Display,
        transaction: Option<TransactionLines>,
    ) -> Self {
        let request = request_context::current_request();
        let products = products.to_string();
        let line = Line { operation, products, outcome: "unknown", request, ..Line::default() };
        Self { line, transaction }
    }

    /// Completes the change with its result, and returns the result.
    ///
    /// # Errors
    /// Returns the error in the result.
    pub fn complete<T: ChangedProducts, E: Display>(mut self, result: Result<T, E>) -> Result<T, E> {
        match &result {
            Ok(changed) => {
                let (count, ids) = changed.describe();
                self.line.count = count;
                self.line.products = ids.unwrap_or(mem::take(&mut self.line.products));
                self.line.outcome = "done";
            }
            Err(error) => {
                self.line.outcome = "rejected";
                self.line.error = Some(error.to_string());
            }
        }
        result
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let line = mem::take(&mut self.line);
        match &self.transaction {
            Some(TransactionLines(lines)) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(line),
            None => line.write(),
        }
    }
}

impl TransactionLines {
    /// Writes the lines after a commit.
    pub fn committed(&self) {
        self.take().into_iter().for_each(Line::write);
    }

    /// Writes the lines of a transaction that has had no effect, or whose effect is not known.
    pub fn ended_without_commit(&self, outcome: &'static str) {
        for line in self.take() {
            let outcome = if line.outcome == "done" { outcome } else { line.outcome };
            Line { outcome, ..line }.write();
        }
    }

    fn take(&self) -> Vec<Line> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Line {
    fn write(self) {
        let Self { operation, products, count, outcome, error, request } = self;
        let write =
            || info!(target: TARGET, operation, products, count, outcome, error = error.as_deref(), "change");
        match request {
            Some(request) => request.in_scope(write),
            None => write(),
        }
    }
}

/// Writes the line of a request that is denied.
pub fn denied(error: &impl Display) {
    info!(target: TARGET, outcome = "denied", %error, "access");
}

/// Writes the line of a change of a token.
pub fn token(operation: &'static str, token: &ApiToken) {
    let ApiToken { id, name, scopes, .. } = token;
    info!(target: TARGET, operation, token = %id, name = name.as_str(), %scopes, outcome = "done", "token");
}

/// Writes the line of a change of a token that failed.
pub fn token_failed(operation: &'static str, error: &Error) {
    info!(target: TARGET, operation, outcome = "rejected", %error, "token");
}

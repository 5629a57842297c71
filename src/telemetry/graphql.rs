//! GraphQL's operations: most failures hide behind a 200, so HTTP's metrics do not show them.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{Counter, Histogram, Meter},
};

use super::names;

/// The instruments of GraphQL. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GraphqlMetrics(Arc<Instruments>);

#[derive(Debug)]
struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    errors: Counter<u64>,
    /// Labels are taken from here: their number is bounded whatever clients send.
    names: Vec<StringValue>,
}

/// The kinds of operations, and what becomes of them.
const TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];
const OUTCOMES: [&str; 3] = ["ok", "error", "refused"];

impl GraphqlMetrics {
    /// Instruments that exist at 0 for the configured operation names and all error codes.
    pub fn new(meter: &Meter, operation_names: &[String], codes: impl Iterator<Item = &'static str>) -> Self {
        let requests =
            meter.u64_counter(names::GRAPHQL_REQUESTS).with_description("GraphQL operations").build();
        let errors =
            meter.u64_counter(names::GRAPHQL_ERRORS).with_description("Errors in GraphQL answers").build();
        let duration = meter
            .f64_histogram(names::GRAPHQL_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Time that GraphQL's queries and mutations took")
            .with_boundaries(names::FINE_BUCKETS.to_vec())
            .build();
        for code in codes {
            errors.add(0, &[KeyValue::new(names::CODE, code)]);
        }
        for (kind, outcome) in TYPES.into_iter().flat_map(|kind| OUTCOMES.map(|outcome| (kind, outcome))) {
            requests.add(0, &labels(kind, StringValue::from(""), outcome));
        }
        let names = operation_names.iter().map(|name| StringValue::from(name.clone())).collect();
        Self(Arc::new(Instruments { requests, duration, errors, names }))
    }

    /// An operation has ended, or was refused.
    pub fn ended(
        &self,
        kind: &'static str,
        name: Option<&str>,
        outcome: &'static str,
        time: Option<Duration>,
    ) {
        let name = match name {
            None => StringValue::from(""),
            Some(name) => {
                let known = self.0.names.iter().find(|known| known.as_str() == name);
                known.cloned().unwrap_or(StringValue::from("_OTHER"))
            }
        };
        self.0.requests.add(1, &labels(kind, name, outcome));
        if let Some(time) = time {
            let labels = [KeyValue::new(names::OPERATION_TYPE, kind), KeyValue::new(names::OUTCOME, outcome)];
            self.0.duration.record(time.as_secs_f64(), &labels);
        }
    }

    /// An answer has an error.
    pub fn failed(&self, code: &'static str) {
        self.0.errors.add(1, &[KeyValue::new(names::CODE, code)]);
    }
}

fn labels(kind: &'static str, name: StringValue, outcome: &'static str) -> [KeyValue; 3] {
    [
        KeyValue::new(names::OPERATION_TYPE, kind),
        KeyValue::new(names::OPERATION_NAME, name),
        KeyValue::new(names::OUTCOME, outcome),
    ]
}

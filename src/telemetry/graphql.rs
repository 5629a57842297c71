//! GraphQL's operations: most failures hide behind a 200, so HTTP's metrics do not show them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter},
};

use super::names;

/// The instruments of GraphQL. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlMetrics(Arc<Instruments>);

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    errors: Counter<u64>,
    /// Labels are taken from here: their number is bounded whatever clients send.
    names: Vec<StringValue>,
    /// Bound to their labels when they are first needed: for each type, outcome and name, and for each type and outcome.
    bound_requests: Vec<OnceLock<BoundCounter<u64>>>,
    bound_durations: Vec<OnceLock<BoundHistogram<f64>>>,
}

/// The kinds of operations, and what becomes of them.
const TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];
const OUTCOMES: [&str; 3] = ["ok", "error", "refused"];

/// Where the names of no operation and of any other than the configured ones are.
const NO_NAME: usize = 0;
const OTHER_NAME: usize = 1;

impl GraphqlMetrics {
    /// Instruments that exist at 0 for operations without a name and for all error codes.
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
        let configured = operation_names.iter().map(|name| StringValue::from(name.clone()));
        let names: Vec<_> = ["", "_OTHER"].map(StringValue::from).into_iter().chain(configured).collect();
        let kinds = TYPES.len() * OUTCOMES.len();
        let bound_requests = (0..kinds * names.len()).map(|_| OnceLock::new()).collect();
        let bound_durations = (0..kinds).map(|_| OnceLock::new()).collect();
        let instruments = Instruments { requests, duration, errors, names, bound_requests, bound_durations };
        (0..kinds).for_each(|kind| instruments.count(kind, NO_NAME, 0));
        Self(Arc::new(instruments))
    }

    /// An operation has ended, or was refused.
    pub fn ended(
        &self,
        kind: &'static str,
        name: Option<&str>,
        outcome: &'static str,
        time: Option<Duration>,
    ) {
        let kind = place(&TYPES, kind) * OUTCOMES.len() + place(&OUTCOMES, outcome);
        let name = name.map_or(NO_NAME, |name| {
            self.0.names.iter().position(|known| known.as_str() == name).unwrap_or(OTHER_NAME)
        });
        self.0.count(kind, name, 1);
        if let Some(time) = time {
            self.0.time(kind, time);
        }
    }

    /// An answer has an error.
    pub fn failed(&self, code: &'static str) {
        self.0.errors.add(1, &[KeyValue::new(names::CODE, code)]);
    }
}

impl Instruments {
    fn count(&self, kind: usize, name: usize, number: u64) {
        let bind = || {
            let [kind, outcome] = labels(kind);
            self.requests.bind(&[
                kind,
                KeyValue::new(names::OPERATION_NAME, self.names[name].clone()),
                outcome,
            ])
        };
        self.bound_requests[kind * self.names.len() + name].get_or_init(bind).add(number);
    }

    fn time(&self, kind: usize, time: Duration) {
        let bound = self.bound_durations[kind].get_or_init(|| self.duration.bind(&labels(kind)));
        bound.record(time.as_secs_f64());
    }
}

fn place(known: &[&str], label: &str) -> usize {
    known.iter().position(|known| *known == label).unwrap_or(known.len() - 1)
}

/// Of a type with an outcome.
fn labels(kind: usize) -> [KeyValue; 2] {
    let (kind, outcome) = (TYPES[kind / OUTCOMES.len()], OUTCOMES[kind % OUTCOMES.len()]);
    [KeyValue::new(names::OPERATION_TYPE, kind), KeyValue::new(names::OUTCOME, outcome)]
}

//! Metrics of GraphQL operations. HTTP metrics do not show most GraphQL errors, because their responses have
//! status 200.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use opentelemetry::{
    KeyValue, StringValue,
    metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter},
};

use super::names;

/// Instruments of GraphQL operations. Cheap to clone.
#[derive(Clone)]
pub struct GraphqlMetrics(Arc<Instruments>);

struct Instruments {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    errors: Counter<u64>,
    /// Values of the label for the operation name. They are fixed, so clients cannot create further series.
    names: Vec<StringValue>,
    /// Counters by type, outcome and name, bound on first use.
    bound_requests: Vec<OnceLock<BoundCounter<u64>>>,
    /// Histograms by type and outcome, bound on first use.
    bound_durations: Vec<OnceLock<BoundHistogram<f64>>>,
}

/// Value of the label for the operation type.
#[derive(Clone, Copy, Debug)]
pub enum OperationType {
    Query,
    Mutation,
    Subscription,
    Unknown,
}

/// Value of the label for the outcome of an operation.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Ok,
    Error,
    /// Request error: the operation was not executed.
    Rejected,
}

/// Values of [`OperationType`], in its order.
const TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];
/// Values of [`Outcome`], in its order.
const OUTCOMES: [&str; 3] = ["ok", "error", "rejected"];

/// Index into `names` for unnamed operations.
const NO_NAME: usize = 0;
/// Index into `names` for operation names that are not configured.
const OTHER_NAME: usize = 1;

impl GraphqlMetrics {
    /// Registers the instruments. Counters start at 0 for unnamed operations and for all error codes.
    pub fn new(meter: &Meter, operation_names: &[String], codes: impl Iterator<Item = &'static str>) -> Self {
        let requests =
            meter.u64_counter(names::GRAPHQL_REQUESTS).with_description("GraphQL operations").build();
        let errors =
            meter.u64_counter(names::GRAPHQL_ERRORS).with_description("Errors in GraphQL responses").build();
        let duration = meter
            .f64_histogram(names::GRAPHQL_REQUEST_DURATION)
            .with_unit("s")
            .with_description("Duration of GraphQL queries and mutations")
            .with_boundaries(names::FINE_BUCKETS.to_vec())
            .build();
        for code in codes {
            errors.add(0, &[KeyValue::new(names::CODE, code)]);
        }
        let configured = operation_names.iter().map(|name| StringValue::from(name.clone()));
        let names: Vec<_> = ["", "_OTHER"].map(StringValue::from).into_iter().chain(configured).collect();
        let count = TYPES.len() * OUTCOMES.len();
        let bound_requests = (0..count * names.len()).map(|_| OnceLock::new()).collect();
        let bound_durations = (0..count).map(|_| OnceLock::new()).collect();
        let instruments = Instruments { requests, duration, errors, names, bound_requests, bound_durations };
        (0..count).for_each(|type_outcome| instruments.add_requests(type_outcome, NO_NAME, 0));
        Self(Arc::new(instruments))
    }

    /// Records a completed or rejected operation. `duration` is `None` for subscriptions and rejected
    /// operations.
    pub fn record_operation(
        &self,
        operation_type: OperationType,
        name: Option<&str>,
        outcome: Outcome,
        duration: Option<Duration>,
    ) {
        let type_outcome = operation_type as usize * OUTCOMES.len() + outcome as usize;
        let name = name.map_or(NO_NAME, |name| {
            self.0.names.iter().position(|known| known.as_str() == name).unwrap_or(OTHER_NAME)
        });
        self.0.add_requests(type_outcome, name, 1);
        if let Some(duration) = duration {
            self.0.record_duration(type_outcome, duration);
        }
    }

    /// Counts an error in a response.
    pub fn record_error(&self, code: &'static str) {
        self.0.errors.add(1, &[KeyValue::new(names::CODE, code)]);
    }
}

impl Instruments {
    fn add_requests(&self, type_outcome: usize, name: usize, count: u64) {
        let bind = || {
            let [operation_type, outcome] = labels(type_outcome);
            let name = KeyValue::new(names::OPERATION_NAME, self.names[name].clone());
            self.requests.bind(&[operation_type, name, outcome])
        };
        self.bound_requests[type_outcome * self.names.len() + name].get_or_init(bind).add(count);
    }

    fn record_duration(&self, type_outcome: usize, duration: Duration) {
        let bind = || self.duration.bind(&labels(type_outcome));
        self.bound_durations[type_outcome].get_or_init(bind).record(duration.as_secs_f64());
    }
}

/// Returns the labels for an index into the combinations of [`TYPES`] and [`OUTCOMES`].
fn labels(type_outcome: usize) -> [KeyValue; 2] {
    let operation_type = TYPES[type_outcome / OUTCOMES.len()];
    let outcome = OUTCOMES[type_outcome % OUTCOMES.len()];
    [KeyValue::new(names::OPERATION_TYPE, operation_type), KeyValue::new(names::OUTCOME, outcome)]
}

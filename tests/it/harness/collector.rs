//! An OpenTelemetry collector that stores the spans and metrics it receives.

use std::collections::BTreeMap;

use axum::{Router, body::Bytes, extract::State, http::header, routing::post};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::Metric,
    trace::v1::Span,
};
use prost::Message;
use tokio::sync::watch;

use super::TIMEOUT;

/// Telemetry received so far.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub spans: Vec<Span>,
    pub metrics: Vec<Metric>,
    /// Resource attributes of the most recent export.
    pub resource: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Collector {
    pub url: String,
    received: watch::Receiver<Received>,
}

impl Collector {
    pub async fn start() -> Self {
        let (sender, received) = watch::channel(Received::default());
        let app = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(sender);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    pub fn received(&self) -> Received {
        self.received.borrow().clone()
    }

    /// Waits until the received telemetry meets the condition, and returns the telemetry.
    pub async fn wait_for(&self, is_complete: impl Fn(&Received) -> bool) -> Received {
        let mut received = self.received.clone();
        let complete =
            tokio::time::timeout(TIMEOUT, received.wait_for(|received| is_complete(received))).await;
        let complete = complete.unwrap_or_else(|_| panic!("incomplete telemetry: {:#?}", self.received()));
        complete.unwrap().clone()
    }
}

/// Returns the attributes with their values as strings.
pub fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    attributes.iter().filter_map(|attribute| Some((attribute.key.clone(), text(attribute)?))).collect()
}

type Sender = watch::Sender<Received>;
const PROTOBUF: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/x-protobuf")];

async fn traces(State(sender): State<Sender>, body: Bytes) -> [(header::HeaderName, &'static str); 1] {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    sender.send_modify(|received| {
        for resource in export.resource_spans {
            received.resource = attributes(&resource.resource.unwrap().attributes);
            received.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    });
    PROTOBUF
}

async fn metrics(State(sender): State<Sender>, body: Bytes) -> [(header::HeaderName, &'static str); 1] {
    let export = ExportMetricsServiceRequest::decode(body).unwrap();
    sender.send_modify(|received| {
        for resource in export.resource_metrics {
            received.resource = attributes(&resource.resource.unwrap().attributes);
            received.metrics.extend(resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
        }
    });
    PROTOBUF
}

//! An OpenTelemetry collector that keeps what it is sent.

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

/// What has arrived.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    pub spans: Vec<Span>,
    pub metrics: Vec<Metric>,
    /// The attributes of who sent something last.
    pub resource: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Collector {
    pub url: String,
    arrived: watch::Receiver<Arrived>,
}

impl Collector {
    pub async fn start() -> Self {
        let (sender, arrived) = watch::channel(Arrived::default());
        let app = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .with_state(sender);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, arrived }
    }

    pub fn arrived(&self) -> Arrived {
        self.arrived.borrow().clone()
    }

    /// What has arrived, once it is enough.
    pub async fn until(&self, is_enough: impl Fn(&Arrived) -> bool) -> Arrived {
        let mut arrived = self.arrived.clone();
        let enough = tokio::time::timeout(TIMEOUT, arrived.wait_for(|arrived| is_enough(arrived))).await;
        let enough = enough.unwrap_or_else(|_| panic!("not enough: {:#?}", self.arrived()));
        enough.unwrap().clone()
    }
}

/// Attributes as texts.
pub fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    };
    attributes.iter().filter_map(|attribute| Some((attribute.key.clone(), text(attribute)?))).collect()
}

type Sender = watch::Sender<Arrived>;
const PROTOBUF: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/x-protobuf")];

async fn traces(State(sender): State<Sender>, body: Bytes) -> [(header::HeaderName, &'static str); 1] {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    sender.send_modify(|arrived| {
        for resource in sent.resource_spans {
            arrived.resource = attributes(&resource.resource.unwrap().attributes);
            arrived.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    });
    PROTOBUF
}

async fn metrics(State(sender): State<Sender>, body: Bytes) -> [(header::HeaderName, &'static str); 1] {
    let sent = ExportMetricsServiceRequest::decode(body).unwrap();
    sender.send_modify(|arrived| {
        for resource in sent.resource_metrics {
            arrived.resource = attributes(&resource.resource.unwrap().attributes);
            arrived.metrics.extend(resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
        }
    });
    PROTOBUF
}

//! Sends requests to the server under test and asserts on its responses.

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Server, TIMEOUT};

/// Installs the TLS provider `ring` and returns a client builder. The provider must be installed because the
/// server's dependencies enable `rustls-no-provider` in reqwest.
pub fn http_client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// A response whose body has been read completely.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Asserts the status and the exact body.
    #[track_caller]
    pub fn is(&self, status: u16, text: &str) {
        assert_eq!((self.status, self.text.as_str()), (status, text));
    }

    /// Asserts that the response is a problem (RFC 9457) with this status, code and list of error pointers.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str, pointers: &[&str]) {
        let problem = self.json();
        let found: Vec<_> = problem["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!((self.status, problem["code"].as_str(), found.as_slice()), (status, Some(code), pointers));
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem["status"], status);
        let kind = format!("urn:stockmeter:problem:{}", code.to_lowercase().replace('_', "-"));
        assert_eq!(problem["type"], kind);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }

    /// Asserts that the response has this status and no data, and that its first error has this code.
    #[track_caller]
    pub fn is_graphql_error(&self, status: u16, code: &str) {
        let body = self.json();
        let found = body["errors"][0]["extensions"]["code"].as_str();
        assert_eq!((self.status, found, body.get("data")), (status, Some(code), None), "{body}");
        assert!(!body["errors"][0]["message"].as_str().unwrap().is_empty());
    }
}

impl Server {
    pub async fn send(&self, request: RequestBuilder) -> Response {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Response { status, headers, text: response.text().await.unwrap() }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request("GET", path)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, json: impl Into<reqwest::Body>) -> Response {
        self.send_json("POST", path, json).await
    }

    pub async fn put(&self, path: &str, json: impl Into<reqwest::Body>) -> Response {
        self.send_json("PUT", path, json).await
    }

    pub async fn patch(&self, path: &str, json: impl Into<reqwest::Body>) -> Response {
        self.send_json("PATCH", path, json).await
    }

    async fn send_json(&self, method: &str, path: &str, json: impl Into<reqwest::Body>) -> Response {
        let request = self.request(method, path).header("content-type", "application/json");
        self.send(request.body(json)).await
    }

    /// Sends the text as it is over a new connection. Returns everything received until the server closes the
    /// connection, for which the request must ask.
    pub async fn send_raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let closed = tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut received)).await;
        closed.expect("the server closes the connection").unwrap();
        String::from_utf8(received).unwrap()
    }

    /// Executes a GraphQL document and returns the response body. Panics if the status is not 200.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let response = self.post("/graphql", body).await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
    }

    /// Returns the value of a series in `/metrics`, or `None` if the series is missing.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text;
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

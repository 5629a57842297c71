//! Requests to a server under test, and what they answer.

use reqwest::{Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

use super::Server;

/// An HTTP client with the cryptography that the server is built with, since Cargo gives both the same library.
pub fn http_client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// An answer that has arrived whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Status and exact body.
    #[track_caller]
    pub fn is(&self, status: u16, text: &str) {
        assert_eq!((self.status, self.text.as_str()), (status, text));
    }

    /// A problem with this status, code and pointers, rendered as all problems are.
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

    /// A GraphQL answer that is nothing but an error with this code.
    #[track_caller]
    pub fn is_graphql_error(&self, status: u16, code: &str) {
        let answer = self.json();
        let found = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!((self.status, found, answer.get("data")), (status, Some(code), None), "{answer}");
        assert!(!answer["errors"][0]["message"].as_str().unwrap().is_empty());
    }
}

impl Server {
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, json: impl Into<reqwest::Body>) -> Answer {
        self.send_json("POST", path, json).await
    }

    pub async fn put(&self, path: &str, json: impl Into<reqwest::Body>) -> Answer {
        self.send_json("PUT", path, json).await
    }

    async fn send_json(&self, method: &str, path: &str, json: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(method, path).header("content-type", "application/json");
        self.send(request.body(json)).await
    }

    /// Runs a GraphQL document.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let answer = self.post("/graphql", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The value of a series in `/metrics`; `None` where it is not.
    pub async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text;
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

//! Collects the log lines of a server, and waits for lines with a given content.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
};

/// Maximum wait for an expected event. It is long enough for a heavily loaded machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Lines logged so far.
#[derive(Clone, Debug)]
pub struct Log(watch::Receiver<Vec<String>>);

impl Log {
    pub fn read_from(output: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| log.push(line));
            }
        });
        Self(receiver)
    }

    /// Waits for a line that contains `text`, and returns the line.
    pub async fn wait_for_line(&self, text: &str) -> String {
        let mut log = self.0.clone();
        let found = log.wait_for(|lines| lines.iter().any(|line| line.contains(text)));
        match tokio::time::timeout(TIMEOUT, found).await {
            Ok(Ok(lines)) => lines.iter().find(|line| line.contains(text)).cloned().unwrap(),
            _ => panic!("no line contains {text:?} in the log:\n{}", self.text()),
        }
    }

    /// Waits for a line of this target about request `id`, and returns its fields.
    pub async fn wait_for_request(&self, target: &str, id: &str) -> Value {
        let is_found = |line: &Value| line["target"] == target && line["span"]["id"] == id;
        self.wait_for_fields(is_found, &format!("line of target {target} about request {id}")).await
    }

    /// Waits for the line that reports the failure of request `id` with this error code.
    pub async fn wait_for_failure(&self, id: &str, code: &str) {
        let is_failure = |line: &Value| {
            line["message"] == "response failed" && line["span"]["id"] == id && line["span"]["code"] == code
        };
        self.wait_for_fields(is_failure, &format!("failure of request {id} with {code}")).await;
    }

    async fn wait_for_fields(&self, is_found: impl Fn(&Value) -> bool, what: &str) -> Value {
        let parse = |line: &String| serde_json::from_str::<Value>(line).unwrap_or_default();
        let find = |lines: &Vec<String>| lines.iter().map(parse).find(&is_found);
        let mut log = self.0.clone();
        let found = log.wait_for(|lines| find(lines).is_some());
        match tokio::time::timeout(TIMEOUT, found).await {
            Ok(Ok(lines)) => find(&lines).unwrap(),
            _ => panic!("no {what} in the log:\n{}", self.text()),
        }
    }

    pub fn text(&self) -> String {
        self.0.borrow().join("\n")
    }

    /// Waits until the server has closed its log, and returns all lines.
    pub async fn read_to_end(&self) -> String {
        let mut log = self.0.clone();
        while log.changed().await.is_ok() {}
        self.text()
    }
}

//! What a server logs, line by line, and awaiting a line.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::watch,
};

/// So long nothing that is awaited takes, not even on a loaded machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The lines so far.
#[derive(Clone, Debug)]
pub struct Log(watch::Receiver<Vec<String>>);

impl Log {
    pub fn of(output: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(Vec::new());
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| log.push(line));
            }
        });
        Self(receiver)
    }

    /// The first line that holds the text, waiting for it to come.
    pub async fn line(&self, text: &str) -> String {
        let mut log = self.0.clone();
        let found = log.wait_for(|lines| lines.iter().any(|line| line.contains(text)));
        match tokio::time::timeout(TIMEOUT, found).await {
            Ok(Ok(lines)) => lines.iter().find(|line| line.contains(text)).cloned().unwrap(),
            _ => panic!("no line with {text:?} in the log:\n{}", self.text()),
        }
    }

    /// Waits for the line that tells why a request has failed.
    pub async fn failure(&self, id: &str, code: &str) {
        let is_it = |line: &String| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
            line["message"] == "response failed" && line["span"]["id"] == id && line["span"]["code"] == code
        };
        let mut log = self.0.clone();
        let found = tokio::time::timeout(TIMEOUT, log.wait_for(|lines| lines.iter().any(is_it))).await;
        assert!(matches!(found, Ok(Ok(_))), "no failure of {id} with {code} in the log:\n{}", self.text());
    }

    pub fn text(&self) -> String {
        self.0.borrow().join("\n")
    }

    /// All there is, once the program has ended.
    pub async fn whole(&self) -> String {
        let mut log = self.0.clone();
        while log.changed().await.is_ok() {}
        self.text()
    }
}

//! Limits of what clients can take of the server: memory, disk space, permits, connections and rates.

use std::sync::atomic::{AtomicU64, Ordering};

use super::problem::Problem;

pub mod budget;
mod holder;
pub mod request_rate;
pub mod stored_responses;

/// A limit that rejects requests or connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of request bodies and unsent responses in memory.
    Bodies,
    /// Concurrent requests.
    Requests,
    /// Concurrent imports.
    Imports,
    /// Bytes of uploaded files on disk.
    Uploads,
    /// Connections.
    Connections,
    /// Open WebSocket connections.
    WebSockets,
    /// Subscriptions to changes, over GraphQL or REST.
    Subscriptions,
    /// Lists of all products that are being sent.
    Lists,
    /// Responses that are being compressed.
    Compressions,
    /// Failed authentications.
    Authentications,
    /// Rate of requests.
    RequestRate,
    /// Bytes of responses stored for idempotency keys.
    StoredResponses,
}

/// Clients that a limit applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// All clients together.
    Everyone,
    /// One caller, or the network of callers without a token.
    Caller,
}

impl Limit {
    /// Every limit, in the order of declaration.
    pub const ALL: [Self; 12] = [
        Self::Bodies,
        Self::Requests,
        Self::Imports,
        Self::Uploads,
        Self::Connections,
        Self::WebSockets,
        Self::Subscriptions,
        Self::Lists,
        Self::Compressions,
        Self::Authentications,
        Self::RequestRate,
        Self::StoredResponses,
    ];

    /// Returns the value of the metric label `limit`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::Requests => "requests",
            Self::Imports => "imports",
            Self::Uploads => "uploads",
            Self::Connections => "connections",
            Self::WebSockets => "websockets",
            Self::Subscriptions => "subscriptions",
            Self::Lists => "lists",
            Self::Compressions => "compressions",
            Self::Authentications => "authentications",
            Self::RequestRate => "request_rate",
            Self::StoredResponses => "stored_responses",
        }
    }

    /// Counts a rejection, and returns its 503 problem.
    pub fn reject(self, party: Party) -> Problem {
        self.record(party);
        let subject = match party {
            Party::Everyone => "the server",
            Party::Caller => "the client",
        };
        let excess = match self {
            Self::Bodies => "too many large bodies",
            Self::Requests | Self::RequestRate => "too many requests",
            Self::Imports => "too many imports",
            Self::Uploads => "too many uploaded files",
            Self::Connections => "too many connections",
            Self::WebSockets => "too many WebSockets",
            Self::Subscriptions => "too many subscriptions",
            Self::Lists => "too many lists",
            Self::Compressions => "too many compressed responses",
            Self::Authentications => "too many failed authentications",
            Self::StoredResponses => "too many stored responses",
        };
        Problem::overloaded(format!("{subject} has {excess} in progress: retry later"))
    }

    /// Counts a rejection.
    pub fn record(self, party: Party) {
        REJECTIONS[self as usize][party as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of rejections since the start of the process.
    pub fn rejections(self, party: Party) -> u64 {
        REJECTIONS[self as usize][party as usize].load(Ordering::Relaxed)
    }
}

impl Party {
    pub const ALL: [Self; 2] = [Self::Everyone, Self::Caller];

    /// Returns the value of the metric label `party`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Caller => "caller",
        }
    }
}

static REJECTIONS: [[AtomicU64; Party::ALL.len()]; Limit::ALL.len()] =
    [const { [const { AtomicU64::new(0) }; Party::ALL.len()] }; Limit::ALL.len()];

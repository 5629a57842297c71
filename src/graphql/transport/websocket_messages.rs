//! Messages of the graphql-transport-ws protocol.

use std::borrow::Cow;

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::response::ResponseBody;
use crate::graphql::prebuilt_json::to_json;

/// Message from a client. async-graphql's type would round the numbers in variables.
#[derive(Deserialize)]
pub struct ClientMessage<'a> {
    #[serde(rename = "type")]
    pub kind: ClientMessageKind,
    pub id: Option<String>,
    #[serde(borrow)]
    pub payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientMessageKind {
    ConnectionInit,
    Ping,
    Pong,
    Subscribe,
    Complete,
}

/// Payload of `connection_init`. Browsers cannot set the header `Authorization` of a WebSocket.
#[derive(Deserialize)]
pub struct InitPayload<'a> {
    /// Value of the header `Authorization`.
    #[serde(borrow, alias = "Authorization")]
    pub authorization: Option<Cow<'a, str>>,
}

/// Message to a client.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    },
    Next {
        id: &'a str,
        payload: ResponseBody<'a>,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl From<ServerMessage<'_>> for Message {
    fn from(message: ServerMessage<'_>) -> Self {
        Self::Text(String::from_utf8(to_json(&message)).unwrap_or_default().into())
    }
}

/// Code and reason of a close frame.
pub struct Close(pub u16, pub Cow<'static, str>);

impl Close {
    pub fn invalid(reason: &str) -> Self {
        Self(4400, format!("Invalid message: {reason}").into())
    }
}

impl From<Close> for Message {
    fn from(Close(code, reason): Close) -> Self {
        // A control frame has at most 125 bytes, including the code (RFC 6455, section 5.5).
        let reason = &reason[..reason.floor_char_boundary(123)];
        Self::Close(Some(CloseFrame { code, reason: reason.into() }))
    }
}

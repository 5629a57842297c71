//! Transports: HTTP, WebSocket and server-sent events, and the playground.

mod batch;
pub mod http;
mod idempotency;
pub mod openapi;
pub mod playground;
mod playground_policy;
pub mod request;
pub mod response;
pub mod websocket;
mod websocket_messages;

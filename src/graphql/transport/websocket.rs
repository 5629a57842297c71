//! GraphQL over WebSocket (graphql-transport-ws protocol), with pings and an orderly shutdown.

use std::{mem, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message, protocol::frame::coding::CloseCode};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    websocket_messages::Close,
    websocket_session::Session,
    websocket_upgrade::{WebSocket, upgrade},
};
use crate::{
    access::Access,
    background_runtime,
    graphql::execution::service::Service,
    http::{
        limits::{
            Limit,
            budget::{Budget, Reservation},
        },
        unsent_response,
    },
    request_context::ContextSnapshot,
};

/// Maximum time between the opening of a connection and its `connection_init` message.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// Registry of open sockets, which closes them at shutdown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebSockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: TaskTracker,
    stop: CancellationToken,
    ping_interval: Duration,
    permits: Budget,
}

impl WebSockets {
    /// Creates an empty registry for at most `maximum` sockets. A connection is closed if no message arrives between
    /// two pings.
    pub fn new(ping_interval: Duration, maximum: u32) -> Self {
        let permits = Budget::with_quarters(Limit::WebSockets, maximum.into());
        let (open, stop) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Inner { open, stop, ping_interval, permits }))
    }

    /// Requests that all connections close with code 1001 (going away). Returns without waiting.
    pub fn stop(&self) {
        self.0.stop.cancel();
        self.0.open.close();
    }

    /// Returns a token that is cancelled at shutdown.
    pub(in crate::graphql) fn stopped(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Waits until all connections are closed.
    pub async fn closed(&self) {
        self.0.open.wait().await;
    }
}

/// Upgrades a request to a WebSocket, which the background runtime serves. Returns the response to the request. `bodies` is
/// the budget of bytes for messages that are not sent.
pub fn open(
    service: Service,
    sockets: &WebSockets,
    access: Access,
    bodies: Budget,
    request: Request,
) -> Response {
    let permit = sockets.0.permits.reserve_one();
    match permit.and_then(|permit| Ok((permit, upgrade(request)?))) {
        Ok((permit, (response, socket))) => {
            let (open, sockets) = (sockets.0.open.clone(), sockets.clone());
            let serve = async move {
                if let Ok(socket) = socket.await {
                    let session = Session::new(service, access, sockets.stopped());
                    serve(socket, session, &sockets.0, &bodies, permit).await;
                }
            };
            let serve = ContextSnapshot::capture().scope(serve);
            background_runtime::spawn_detached(open.track_future(serve));
            response
        }
        Err(problem) => problem.into_response(),
    }
}

async fn serve(
    mut socket: WebSocket,
    mut session: Session,
    sockets: &Inner,
    bodies: &Budget,
    _permit: Reservation,
) {
    let start = Instant::now();
    let mut alive = true;
    let mut pings = interval_at(start + sockets.ping_interval, sockets.ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            // Shutdown is polled first, so that operations that it ends are not reported as complete.
            biased;
            () = sockets.stop.cancelled() => Err(Close(CloseCode::Away.into(), "the server is shutting down".into())),
            received = socket.next() => {
                alive = true;
                match received {
                    Some(Ok(Message::Text(text))) => {
                        let reply = session.handle_message(&text).await;
                        if session.initialised {
                            socket.get_mut().remove_limit();
                        }
                        reply
                    }
                    Some(Ok(Message::Binary(_))) => Err(Close::invalid("binary messages are not supported")),
                    // The library responds to pings. The response must be sent before the next message is read, because
                    // responses to a client that does not read them would fill the memory.
                    Some(Ok(Message::Ping(_))) => {
                        if socket.flush().await.is_err() {
                            return;
                        }
                        Ok(None)
                    }
                    // The library gives out no single frames.
                    Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(None),
                    Some(Ok(Message::Close(_))) => {
                        // Completes the closing handshake.
                        let _ = socket.close(None).await;
                        return;
                    }
                    Some(Err(WebSocketError::Capacity(_))) => {
                        Err(Close(CloseCode::Size.into(), "the message is too large".into()))
                    }
                    Some(Err(_)) | None => return,
                }
            }
            Some((id, event)) = session.operations.next() => Ok(Some(session.next_message(&id, event))),
            _ = pings.tick() => {
                if !mem::take(&mut alive) {
                    return;
                }
                Ok(Some(Message::Ping(Bytes::new())))
            }
            () = &mut session.credentials_ended, if session.initialised => {
                Err(Close(4403, "Forbidden: the token has ended".into()))
            }
            () = sleep_until(start + INIT_TIMEOUT), if !session.initialised => {
                Err(Close(4408, "Connection initialisation timeout".into()))
            }
        };
        match message.and_then(|message| reserve(bodies, message)) {
            Ok(None) => {}
            Ok(Some((message, _reservation))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Err(close) => {
                // The connection ends even if the close frame can't be sent.
                let _ = socket.send(close.into()).await;
                return;
            }
        }
    }
}

/// Returns a message with the reservation of its bytes, which is `None` for a small one.
///
/// # Errors
/// Returns a close frame if the budget has too few bytes left. The client may have other sockets with unread messages.
fn reserve(
    bodies: &Budget,
    message: Option<Message>,
) -> Result<Option<(Message, Option<Reservation>)>, Close> {
    let Some(message) = message else {
        return Ok(None);
    };
    let reservation = unsent_response::reserve(bodies, message.len() as u64);
    let reservation =
        reservation.map_err(|problem| Close(CloseCode::Again.into(), problem.detail().to_owned().into()))?;
    Ok(Some((message, reservation)))
}

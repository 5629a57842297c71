//! GraphQL over WebSocket (graphql-transport-ws protocol), with pings and an orderly shutdown.

use std::{mem, sync::Arc, time::Duration};

use async_graphql::{Response as GraphqlResponse, ServerError};
use async_graphql_axum::GraphQLProtocol;
use axum::{
    RequestExt,
    body::Bytes,
    extract::{
        Request, WebSocketUpgrade,
        ws::{Message, WebSocket, close_code},
    },
    response::{IntoResponse, Response},
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{BoxFuture, pending},
    stream::{self, BoxStream},
};
use serde_json::value::RawValue;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_stream::StreamMap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    request::RequestFields,
    response::{ResponseBody, is_request_error},
    websocket_messages::{ClientMessage, ClientMessageKind, Close, InitPayload, ServerMessage},
};
use crate::{
    access::Access,
    audit, background_runtime,
    domain::{Caller, Scope, Scopes},
    graphql::{
        error::{self, GraphqlErrorCode},
        execution::{response_stream::ResponseStream, service::Service},
    },
    http::{bearer_token, problem::Problem},
    request_context::{self, ContextSnapshot},
};

const PROTOCOL: &str = "graphql-transport-ws";
/// Maximum number of active operations on a connection, which bounds its memory.
const MAX_OPERATIONS: usize = 100;
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
    max_message_size: usize,
}

impl WebSockets {
    /// Creates an empty registry. A connection is closed if no message arrives between two pings.
    /// `max_message_size` is in bytes.
    pub fn new(ping_interval: Duration, max_message_size: usize) -> Self {
        let (open, stop) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Inner { open, stop, ping_interval, max_message_size }))
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

/// Upgrades a request to a WebSocket, which the background runtime serves. Returns the response to the
/// request.
pub async fn open(service: Service, sockets: WebSockets, access: Access, request: Request) -> Response {
    match upgrade(request, sockets.0.max_message_size).await {
        Ok(upgrade) => {
            // The upgraded connection is served by another task.
            let context = ContextSnapshot::capture();
            let task = move |socket| {
                let open = sockets.0.open.clone();
                let serve = context.scope(background_runtime::run(async move {
                    serve(socket, Session::new(service, access, sockets.stopped()), &sockets.0).await;
                }));
                open.track_future(serve)
            };
            upgrade.on_upgrade(task)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn upgrade(mut request: Request, max_message_size: usize) -> Result<WebSocketUpgrade, Problem> {
    let protocol = request.extract_parts::<GraphQLProtocol>().await;
    let upgrade: Result<WebSocketUpgrade, _> = request.extract().await;
    let upgrade = upgrade.map_err(|error| Problem::malformed(error.body_text()))?.protocols([PROTOCOL]);
    // `GraphQLProtocol` also accepts the older protocol graphql-ws.
    if protocol.is_err() || upgrade.selected_protocol().is_none() {
        let detail = format!("unsupported WebSocket protocol: set Sec-WebSocket-Protocol to {PROTOCOL}");
        return Err(Problem::malformed(detail));
    }
    Ok(upgrade.max_message_size(max_message_size).max_frame_size(max_message_size))
}

async fn serve(mut socket: WebSocket, mut session: Session, sockets: &Inner) {
    let start = Instant::now();
    let mut alive = true;
    let mut pings = interval_at(start + sockets.ping_interval, sockets.ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            // Shutdown is polled first, so that operations that it ends are not reported as complete.
            biased;
            () = sockets.stop.cancelled() => Err(Close(close_code::AWAY, "the server is shutting down".into())),
            received = socket.recv() => {
                alive = true;
                match received {
                    Some(Ok(Message::Text(text))) => session.handle_message(&text).await,
                    Some(Ok(Message::Binary(_))) => Err(Close::invalid("binary messages are not supported")),
                    // axum responds to pings.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
                    Some(Ok(Message::Close(_))) => {
                        // Completes the closing handshake.
                        let _ = socket.close().await;
                        return;
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
        match message {
            Ok(None) => {}
            Ok(Some(message)) => {
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

/// State of one connection.
struct Session {
    service: Service,
    access: Access,
    caller: Caller,
    /// Completes when the caller's credentials have ended.
    credentials_ended: BoxFuture<'static, ()>,
    stop: CancellationToken,
    initialised: bool,
    operations: StreamMap<String, BoxStream<'static, OperationEvent>>,
}

/// Event of an active operation.
enum OperationEvent {
    Next(Box<GraphqlResponse>),
    Complete,
}

impl Session {
    /// Creates the state of a connection whose request has been authenticated.
    fn new(service: Service, access: Access, stop: CancellationToken) -> Self {
        let caller = request_context::caller().unwrap_or_else(|| Caller::anonymous(Scopes::NONE));
        let credentials_ended = pending().boxed();
        Self {
            service,
            access,
            caller,
            credentials_ended,
            stop,
            initialised: false,
            operations: StreamMap::new(),
        }
    }

    /// Authenticates the caller by the token in the payload of `connection_init`, if there is one. Otherwise, the
    /// caller of the HTTP request remains.
    fn initialise(&mut self, payload: Option<&RawValue>) -> Result<(), Close> {
        let payload: Option<InitPayload> =
            payload.and_then(|payload| serde_json::from_str(payload.get()).ok());
        if let Some(credentials) = payload.and_then(|payload| payload.authorization) {
            let token = bearer_token::from_credentials(credentials.as_bytes());
            let caller = token.and_then(|token| self.access.authenticate(Some(token)).ok());
            let invalid = "the token is unknown or has ended";
            self.caller = caller.ok_or_else(|| {
                audit::denied(&invalid);
                Close(4403, format!("Forbidden: {invalid}").into())
            })?;
            request_context::set_caller(self.caller.clone());
        }
        let allowed = self.caller.require(Scope::Read).inspect_err(audit::denied);
        allowed.map_err(|error| Close(4403, format!("Forbidden: {error}").into()))?;
        let (access, caller) = (self.access.clone(), self.caller.clone());
        self.credentials_ended = async move { access.ended(caller).await }.boxed();
        self.initialised = true;
        Ok(())
    }

    /// Handles a client's message. Returns the reply, or `None` if the message needs no reply.
    async fn handle_message(&mut self, text: &str) -> Result<Option<Message>, Close> {
        let invalid = || Close::invalid("not a message of graphql-transport-ws");
        let ClientMessage { kind, id, payload } = serde_json::from_str(text).map_err(|_| invalid())?;
        let reply = match kind {
            ClientMessageKind::ConnectionInit if self.initialised => {
                return Err(Close(4429, "Too many initialisation requests".into()));
            }
            ClientMessageKind::ConnectionInit => {
                self.initialise(payload)?;
                ServerMessage::ConnectionAck
            }
            ClientMessageKind::Ping => ServerMessage::Pong { payload },
            ClientMessageKind::Pong => return Ok(None),
            ClientMessageKind::Subscribe => {
                let fields = payload.and_then(|payload| serde_json::from_str(payload.get()).ok());
                let (id, fields) = id.zip(fields).ok_or_else(invalid)?;
                return self.subscribe(id, fields).await;
            }
            ClientMessageKind::Complete => {
                self.operations.remove(&id.ok_or_else(invalid)?);
                return Ok(None);
            }
        };
        Ok(Some(reply.into()))
    }

    async fn subscribe(&mut self, id: String, fields: RequestFields<'_>) -> Result<Option<Message>, Close> {
        if !self.initialised {
            return Err(Close(4401, "Unauthorized".into()));
        }
        if self.operations.contains_key(&id) {
            return Err(Close(4409, format!("Subscriber for {id} already exists").into()));
        }
        Ok(self.start_operation(id, fields).await)
    }

    /// Starts an operation, and waits until a subscription has started. Returns an error message, or `None`
    /// if the operation was accepted.
    async fn start_operation(&mut self, id: String, fields: RequestFields<'_>) -> Option<Message> {
        let responses = match self.execute(fields) {
            Ok(responses) => responses,
            Err(error) => return Some(ServerMessage::Error { id: &id, payload: &[*error] }.into()),
        };
        let responses = tokio::select! {
            () = self.stop.cancelled() => return None,
            responses = responses.wait_until_subscribed() => responses,
        };
        let events = responses.stream.map(|response| OperationEvent::Next(Box::new(response)));
        self.operations.insert(id, events.chain(stream::iter([OperationEvent::Complete])).boxed());
        None
    }

    fn execute(&self, fields: RequestFields) -> Result<ResponseStream, Box<ServerError>> {
        if self.operations.len() >= MAX_OPERATIONS {
            let detail = "too many operations on this connection: wait until some have completed";
            return Err(error::request_error((GraphqlErrorCode::TooManyOperations, detail.to_owned())).into());
        }
        let request = fields.into_request(self.service.limits().values);
        let request = request.map_err(|problem| error::from_problem(&problem))?;
        let responses = self.service.execute_stream(self.service.prepare(request, &self.caller)?);
        if responses.is_subscription() {
            return Ok(responses);
        }
        // The middleware takes permits for HTTP requests only.
        let permit = self.service.try_acquire_permit().map_err(error::request_error)?;
        Ok(responses.with_guard(permit))
    }

    /// Converts an event to a message, and removes the operation if it has ended.
    fn next_message(&mut self, id: &str, event: OperationEvent) -> Message {
        let response = match event {
            OperationEvent::Next(response) => response,
            OperationEvent::Complete => {
                self.operations.remove(id);
                return ServerMessage::Complete { id }.into();
            }
        };
        if is_request_error(&response) {
            // An `error` message ends the operation. No `complete` message follows.
            self.operations.remove(id);
            return ServerMessage::Error { id, payload: &response.errors }.into();
        }
        ServerMessage::Next { id, payload: ResponseBody::from(&*response) }.into()
    }
}

//! State of one WebSocket: its caller and its active operations.

use async_graphql::{Response as GraphqlResponse, ServerError};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
    stream::{self, BoxStream},
};
use serde_json::value::RawValue;
use tokio_stream::StreamMap;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::{
    request::RequestFields,
    response::{ResponseBody, is_request_error},
    websocket_messages::{ClientMessage, ClientMessageKind, Close, InitPayload, ServerMessage},
};
use crate::{
    access::Access,
    audit,
    domain::{Caller, Scope},
    graphql::{
        error::{self, GraphqlErrorCode},
        execution::{response_stream::ResponseStream, service::Service},
    },
    http::{
        bearer_token,
        limits::{Limit, Party},
    },
    request_context,
};

/// Maximum number of active operations on a connection, which bounds its memory.
const MAX_OPERATIONS: usize = 100;

/// State of one connection.
pub struct Session {
    service: Service,
    access: Access,
    caller: Caller,
    /// Completes when the caller's credentials have ended.
    pub credentials_ended: BoxFuture<'static, ()>,
    stop: CancellationToken,
    /// Whether `connection_init` was accepted.
    pub initialised: bool,
    pub operations: StreamMap<String, BoxStream<'static, OperationEvent>>,
}

/// Event of an active operation.
pub enum OperationEvent {
    Next(Box<GraphqlResponse>),
    Complete,
}

impl Session {
    /// Creates the state of a connection whose request has been authenticated.
    pub fn new(service: Service, access: Access, stop: CancellationToken) -> Self {
        let caller = request_context::caller().unwrap_or_default();
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
            self.caller = caller.ok_or_else(|| self.failed_authentication())?;
            request_context::set_caller(self.caller.clone());
        }
        let allowed = self.caller.require(Scope::Read).inspect_err(audit::denied);
        allowed.map_err(|error| Close(4403, format!("Forbidden: {error}").into()))?;
        let (access, caller) = (self.access.clone(), self.caller.clone());
        self.credentials_ended = async move { access.ended(caller).await }.boxed();
        self.initialised = true;
        Ok(())
    }

    /// Records a failed authentication, and returns the reason to close the connection.
    fn failed_authentication(&self) -> Close {
        audit::denied(&"the token is unknown or has ended");
        let address = request_context::current_request().map(|request| request.info().address);
        if address.is_none_or(|address| self.access.record_failure(address).is_ok()) {
            return Close(4403, "Forbidden: the token is unknown or has ended".into());
        }
        Limit::Authentications.record(Party::Caller);
        Close(4429, "Too many failed authentications".into())
    }

    /// Handles a client's message. Returns the reply, or `None` if the message needs no reply.
    pub async fn handle_message(&mut self, text: &str) -> Result<Option<Message>, Close> {
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
        // The middleware counts HTTP requests only.
        self.service.count_request()?;
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
    pub fn next_message(&mut self, id: &str, event: OperationEvent) -> Message {
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

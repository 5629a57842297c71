//! Operations over a WebSocket: the protocol graphql-transport-ws, kept alive and let go of.

use std::{borrow::Cow, mem, sync::Arc, time::Duration};

use async_graphql::{Request as Operation, Response as Answer, ServerError, http::ClientMessage};
use async_graphql_axum::GraphQLProtocol;
use axum::{
    RequestExt,
    body::Bytes,
    extract::{
        Request, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::{IntoResponse, Response},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{self, BoxStream},
};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_stream::StreamMap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::response::{Body, was_refused};
use crate::{
    background_runtime,
    graphql::{
        error::{self, GraphqlErrorCode},
        execution::{
            prebuilt_json::json,
            service::{Answers, Service},
        },
    },
    http::problem::Problem,
};

const PROTOCOL: &str = "graphql-transport-ws";
/// Operations under way on one connection.
const MAX_OPERATIONS: usize = 100;
/// From opening the connection to `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The sockets that are open, to be closed at the end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WebSockets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    open: TaskTracker,
    stop: CancellationToken,
    ping_every: Duration,
    message_size: usize,
}

impl WebSockets {
    /// None yet. Clients are pinged so often, and let go when they do not answer until the next ping; what they say has at most
    /// so many bytes at a time.
    pub fn new(ping_every: Duration, message_size: usize) -> Self {
        let (open, stop) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Shared { open, stop, ping_every, message_size }))
    }

    /// Tells the clients that the server goes away.
    pub fn stop(&self) {
        self.0.stop.cancel();
        self.0.open.close();
    }

    /// When it is time to go away.
    pub(in crate::graphql) fn stopped(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// Until all of them are closed.
    pub async fn closed(&self) {
        self.0.open.wait().await;
    }
}

/// Upgrades a request.
pub async fn open(service: Service, sockets: WebSockets, request: Request) -> Response {
    match upgrade(request, sockets.0.message_size).await {
        Ok(upgrade) => {
            let task = move |socket| {
                let open = sockets.0.open.clone();
                open.track_future(background_runtime::run(async move {
                    serve(socket, Session::new(service, sockets.stopped()), &sockets.0).await;
                }))
            };
            upgrade.on_upgrade(task)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn upgrade(mut request: Request, size: usize) -> Result<WebSocketUpgrade, Problem> {
    let protocol = request.extract_parts::<GraphQLProtocol>().await;
    let upgrade: Result<WebSocketUpgrade, _> = request.extract().await;
    let upgrade = upgrade.map_err(|error| Problem::malformed(error.body_text()))?.protocols([PROTOCOL]);
    // The library knows an older protocol too.
    if protocol.is_err() || upgrade.selected_protocol().is_none() {
        let detail = format!("open the WebSocket with Sec-WebSocket-Protocol: {PROTOCOL}");
        return Err(Problem::malformed(detail));
    }
    Ok(upgrade.max_message_size(size).max_frame_size(size))
}

async fn serve(mut socket: WebSocket, mut session: Session, sockets: &Shared) {
    let start = Instant::now();
    let mut heard = true;
    let mut pings = interval_at(start + sockets.ping_every, sockets.ping_every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let said = tokio::select! {
            // Going away comes first: operations that end because of it are not complete.
            biased;
            () = sockets.stop.cancelled() => Err(Close(close_code::AWAY, "the server goes away".into())),
            received = socket.recv() => {
                heard = true;
                match received {
                    Some(Ok(Message::Text(text))) => session.hear(&text).await,
                    Some(Ok(Message::Binary(_))) => Err(Close::invalid("messages are text")),
                    // The library answers pings.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
                    Some(Ok(Message::Close(_))) => {
                        // The answer to it goes out.
                        let _ = socket.close().await;
                        return;
                    }
                    Some(Err(_)) | None => return,
                }
            }
            Some((id, step)) = session.operations.next() => Ok(Some(session.tell(&id, step))),
            _ = pings.tick() => {
                if !mem::take(&mut heard) {
                    return;
                }
                Ok(Some(Message::Ping(Bytes::new())))
            }
            () = sleep_until(start + INIT_TIMEOUT), if !session.initialised => {
                Err(Close(4408, "Connection initialisation timeout".into()))
            }
        };
        match said {
            Ok(None) => {}
            Ok(Some(message)) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Err(close) => {
                // It is gone either way.
                let _ = socket.send(close.into()).await;
                return;
            }
        }
    }
}

/// One connection's state.
struct Session {
    service: Service,
    stop: CancellationToken,
    initialised: bool,
    operations: StreamMap<String, BoxStream<'static, Step>>,
}

/// What an operation comes to next.
enum Step {
    Answer(Box<Answer>),
    End,
}

/// What the server says.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Value>,
    },
    Next {
        id: &'a str,
        payload: Body<'a>,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl From<Said<'_>> for Message {
    fn from(said: Said<'_>) -> Self {
        Self::Text(String::from_utf8(json(&said)).unwrap_or_default().into())
    }
}

impl Session {
    fn new(service: Service, stop: CancellationToken) -> Self {
        Self { service, stop, initialised: false, operations: StreamMap::new() }
    }

    /// Follows a client's message, and answers it if that needs an answer.
    async fn hear(&mut self, text: &str) -> Result<Option<Message>, Close> {
        let message =
            ClientMessage::from_bytes(text).map_err(|_| Close::invalid("not one of this protocol"))?;
        let answer = match message {
            ClientMessage::ConnectionInit { .. } if self.initialised => {
                return Err(Close(4429, "Too many initialisation requests".into()));
            }
            ClientMessage::ConnectionInit { .. } => {
                self.initialised = true;
                Said::ConnectionAck.into()
            }
            ClientMessage::Ping { payload } => Said::Pong { payload }.into(),
            ClientMessage::Pong { .. } => return Ok(None),
            ClientMessage::Start { .. } if !self.initialised => {
                return Err(Close(4401, "Unauthorized".into()));
            }
            ClientMessage::Start { id, .. } if self.operations.contains_key(&id) => {
                return Err(Close(4409, format!("Subscriber for {id} already exists").into()));
            }
            ClientMessage::Start { id, payload } => return Ok(self.begin(id, payload).await),
            ClientMessage::Stop { id } => {
                self.operations.remove(&id);
                return Ok(None);
            }
            ClientMessage::ConnectionTerminate => {
                return Err(Close::invalid("not one of this protocol"));
            }
        };
        Ok(Some(answer))
    }

    /// Begins an operation, or says why not. What the client says next is heard when a subscription stands.
    async fn begin(&mut self, id: String, operation: Operation) -> Option<Message> {
        let answers = match self.prepare(operation) {
            Ok(answers) => answers,
            Err(refusal) => return Some(Said::Error { id: &id, payload: &[*refusal] }.into()),
        };
        let standing = tokio::select! {
            () = self.stop.cancelled() => return None,
            standing = answers.standing() => standing,
        };
        let answers = standing.stream.map(|answer| Step::Answer(Box::new(answer)));
        self.operations.insert(id, answers.chain(stream::iter([Step::End])).boxed());
        None
    }

    fn prepare(&self, operation: Operation) -> Result<Answers, Box<ServerError>> {
        if self.operations.len() >= MAX_OPERATIONS {
            let detail = "too many operations are under way on this connection: let some end first";
            return Err(error::refused((GraphqlErrorCode::TooManyOperations, detail.to_owned())).into());
        }
        let answers = self.service.answers(self.service.prepare(operation.into())?);
        if answers.is_subscription() {
            return Ok(answers);
        }
        // Requests have taken a place before they come to the service; operations of a socket do so here.
        let place = self.service.place().map_err(error::refused)?;
        Ok(answers.holding(place))
    }

    fn tell(&mut self, id: &str, step: Step) -> Message {
        let answer = match step {
            Step::Answer(answer) => answer,
            Step::End => {
                self.operations.remove(id);
                return Said::Complete { id }.into();
            }
        };
        if was_refused(&answer) {
            // That ends it, without a further word.
            self.operations.remove(id);
            return Said::Error { id, payload: &answer.errors }.into();
        }
        Said::Next { id, payload: Body::from(&*answer) }.into()
    }
}

/// Why the connection is closed: a code of the protocol and a reason.
struct Close(u16, Cow<'static, str>);

impl Close {
    fn invalid(reason: &str) -> Self {
        Self(4400, format!("Invalid message: {reason}").into())
    }
}

impl From<Close> for Message {
    fn from(Close(code, reason): Close) -> Self {
        // A control frame has room for no more (RFC 6455 section 5.5).
        let reason = &reason[..reason.floor_char_boundary(123)];
        Self::Close(Some(CloseFrame { code, reason: reason.into() }))
    }
}

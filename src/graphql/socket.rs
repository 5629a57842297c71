//! Operations over a WebSocket (graphql-transport-ws, as the library speaks it), kept alive and let go of.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_graphql::{Data, http::ALL_WEBSOCKET_PROTOCOLS};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    RequestExt,
    extract::{
        Request, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt, sink};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::service::{Places, Service};
use crate::{body::BodyLimits, problem::Problem};

/// Operations under way on one connection.
const MAX_OPERATIONS: usize = 100;
/// From opening the connection to `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Close codes of the protocol, where the library has others.
const INVALID_MESSAGE: u16 = 4400;
const UNAUTHORIZED: u16 = 4401;
const INIT_TIMED_OUT: u16 = 4408;

/// The sockets that are open, to be closed at the end.
#[derive(Clone, Debug)]
pub struct Sockets {
    open: TaskTracker,
    stop: CancellationToken,
    ping_every: Duration,
}

impl Sockets {
    /// None yet. Clients are pinged so often, and let go when they do not answer until the next ping.
    pub fn new(ping_every: Duration) -> Self {
        Self { open: TaskTracker::new(), stop: CancellationToken::new(), ping_every }
    }

    /// Tells the clients that the server goes away.
    pub fn stop(&self) {
        self.stop.cancel();
        self.open.close();
    }

    /// Until all of them are closed.
    pub async fn closed(&self) {
        self.open.wait().await;
    }
}

/// Upgrades a request.
pub async fn open(service: Service, sockets: Sockets, request: Request) -> Response {
    match upgrade(request).await {
        Ok((upgrade, protocol)) => {
            let task = move |socket| {
                let open = sockets.open.clone();
                open.track_future(async move { serve(socket, service, protocol, &sockets).await })
            };
            upgrade.on_upgrade(task)
        }
        Err(problem) => problem.into_response(),
    }
}

async fn upgrade(mut request: Request) -> Result<(WebSocketUpgrade, GraphQLProtocol), Problem> {
    let size = BodyLimits::of(&request)?.size;
    let protocol = request.extract_parts::<GraphQLProtocol>().await;
    let upgrade: Result<WebSocketUpgrade, _> = request.extract().await;
    let upgrade = upgrade.map_err(|error| Problem::malformed(error.body_text()))?;
    let protocol = protocol.map_err(|_| {
        Problem::malformed("open the WebSocket with Sec-WebSocket-Protocol: graphql-transport-ws")
    })?;
    Ok((upgrade.protocols(ALL_WEBSOCKET_PROTOCOLS).max_message_size(size).max_frame_size(size), protocol))
}

async fn serve(socket: WebSocket, service: Service, protocol: GraphQLProtocol, sockets: &Sockets) {
    let (mut socket, received) = socket.split();
    let heard = Arc::new(AtomicBool::new(true));
    let listener = heard.clone();
    let received = received.inspect(move |_| listener.store(true, Ordering::Relaxed));
    let (sender, mut answers) = mpsc::channel(1);
    let sender =
        sink::unfold(sender, |sender, message| async move { sender.send(message).await.map(|()| sender) });
    let mut data = Data::default();
    data.insert(Places(Arc::new(Semaphore::new(MAX_OPERATIONS))));
    let speak = GraphQLWebSocket::new_with_pair(sender, received, service, protocol).with_data(data).serve();

    let write = async {
        let start = Instant::now();
        let mut initialised = false;
        let mut pings = interval_at(start + sockets.ping_every, sockets.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                answer = answers.recv() => match answer {
                    Some(answer) => {
                        initialised = true;
                        with_code_of_the_protocol(answer)
                    }
                    None => return,
                },
                _ = pings.tick() => {
                    if !heard.swap(false, Ordering::Relaxed) {
                        return;
                    }
                    Message::Ping(axum::body::Bytes::new())
                }
                () = sleep_until(start + INIT_TIMEOUT), if !initialised => {
                    close(INIT_TIMED_OUT, "Connection initialisation timeout")
                }
                () = sockets.stop.cancelled() => close(close_code::AWAY, "the server goes away"),
            };
            let last = matches!(message, Message::Close(_));
            if socket.send(message).await.is_err() || last {
                return;
            }
        }
    };
    let mut write = pin!(write);
    tokio::select! {
        () = &mut write => {}
        // What was said last still has to be written.
        () = speak => write.await,
    }
}

fn close(code: u16, reason: &str) -> Message {
    // A control frame has room for no more (RFC 6455 section 5.5).
    let reason = &reason[..reason.floor_char_boundary(123)];
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

fn with_code_of_the_protocol(message: Message) -> Message {
    match message {
        Message::Close(Some(CloseFrame { code: close_code::ERROR, .. })) => {
            close(UNAUTHORIZED, "Unauthorized")
        }
        Message::Close(Some(CloseFrame { code: close_code::PROTOCOL, reason })) => {
            close(INVALID_MESSAGE, &reason)
        }
        message => message,
    }
}

//! `stockmeter serve`: runs the server until a signal stops it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::demo::Demo;
use crate::{config::Config, server::Server};

/// Runs the server until a signal stops it. With `demo`, its database is temporary.
///
/// # Errors
/// Returns a message if the server cannot start.
pub async fn serve(mut config: Config, demo: bool) -> Result<(), String> {
    let mut signals = StopSignals::listen().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let demo = if demo { Some(Demo::create(&mut config).await?) } else { None };
    let server = tokio::select! {
        // The signal is polled first, so that it also ends the wait for the database at startup.
        biased;
        () = signals.next() => return Ok(()),
        server = Server::start(config) => server.map_err(|error| error.to_string())?,
    };
    if let (Some(demo), Some(address)) = (&demo, server.address()) {
        demo.announce(address);
    }
    server.run(async || signals.next().await).await;
    Ok(())
}

/// Signals that stop the server. None is lost between two waits.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for Ctrl-C, SIGTERM or SIGHUP.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

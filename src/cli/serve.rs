//! `stockmeter serve`: runs the server until a signal stops it.

use super::{demo::Demo, stop_signals::StopSignals};
use crate::{config::Config, server::Server};

/// Runs the server until a signal stops it. With `demo`, its database is temporary.
///
/// # Errors
/// Returns a message if the server cannot start.
pub async fn serve(mut config: Config, demo: bool) -> Result<(), String> {
    let mut signals = StopSignals::listen()?;
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

//! Options of connections, and the wait for a server that is not available yet.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};
use tracing::info;

use crate::store::{DatabaseUrl, OpenError, PoolOptions, error::describe};

/// Timeout of one attempt to connect.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest and longest pause between attempts. Each pause is twice the previous one.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Longest timeout that PostgreSQL accepts, about 25 days.
pub(in crate::store) const MAX_TIMEOUT_MILLIS: u128 = i32::MAX as u128;

/// Returns the options of every connection. Poolers reject unknown startup parameters, so none is sent.
pub(super) fn connect_options(server: &PgConnectOptions) -> PgConnectOptions {
    server.clone().application_name("stockmeter").extra_float_digits(None).disable_statement_logging()
}

/// Opens a connection and sets its timeouts.
pub(super) async fn connect(
    server: &PgConnectOptions,
    options: PoolOptions,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = server.connect().await?;
    let timeout = options.statement_timeout.as_millis().min(MAX_TIMEOUT_MILLIS);
    // Safeguard: no request should leave a transaction idle. If one does, the transaction must not keep its
    // locks.
    let set = format!("SET statement_timeout = {timeout}; SET idle_in_transaction_session_timeout = '10s'");
    connection.execute(AssertSqlSafe(set)).await?;
    Ok(connection)
}

/// Tries to connect to PostgreSQL, with increasing pauses, until an attempt succeeds or `wait` has elapsed.
pub(in crate::store) async fn wait_for_server(
    url: &DatabaseUrl,
    server: &PgConnectOptions,
    wait: Duration,
) -> Result<(), OpenError> {
    let start = Instant::now();
    let mut pause = BACKOFF.0;
    loop {
        let remaining = wait.saturating_sub(start.elapsed());
        let timeout = ATTEMPT_TIMEOUT.min(remaining.max(BACKOFF.0));
        let reason = match tokio::time::timeout(timeout, connect_options(server).connect()).await {
            Ok(Ok(connection)) => {
                // The connection was only a test, so an error on close does not matter.
                drop(connection.close().await);
                return Ok(());
            }
            Ok(Err(error)) if is_permanent(&error) => {
                return Err(OpenError::Rejected(url.clone(), describe(&error)));
            }
            Ok(Err(error)) => describe(&error),
            Err(_) => "no response".to_owned(),
        };
        let remaining = wait.saturating_sub(start.elapsed());
        if remaining.is_zero() {
            return Err(OpenError::TimedOut(url.clone(), wait, reason));
        }
        info!(database = %url, reason, "waiting for the database, giving up in {} s", remaining.as_secs());
        tokio::time::sleep(pause.min(remaining)).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Returns whether a retry would fail as well: the user, password, database or a permission is wrong.
fn is_permanent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("28") || ["3D000", "42501"].contains(&code.as_ref())),
        // The server has no TLS although the URL requires it, or its certificate is not trusted.
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => true,
        _ => false,
    }
}

//! Detects connection poolers that share one connection to PostgreSQL between clients.

use std::time::Duration;

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row};

use super::servers::{ConnectError, Servers};

/// Number of times that the server processes are compared. With other clients at work, a pooler may give
/// different ones at first.
const ROUNDS: usize = 5;

/// Maximum time of the comparison. A pooler whose pool has only one connection makes the second client wait.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns whether clients share server processes, as with PgBouncer's pool mode `transaction` or
/// `statement`. Prepared statements, timeouts and notifications of one client would then reach others.
///
/// # Errors
/// Returns an error if no connection can be opened.
pub(in crate::store) async fn shares_connections(servers: &Servers) -> Result<bool, ConnectError> {
    let (mut first, mut second) = (servers.connect().await?, servers.connect().await?);
    let compare = async {
        let known = process_id(&mut first).await?;
        for _ in 0..ROUNDS {
            if process_id(&mut second).await? == known || process_id(&mut first).await? != known {
                return Ok(true);
            }
        }
        Ok::<_, sqlx::Error>(false)
    };
    let shares = tokio::time::timeout(TIMEOUT, compare).await.unwrap_or(Ok(false));
    // The connections were only a test, so an error on close does not matter.
    drop(first.close().await);
    drop(second.close().await);
    Ok(shares?)
}

/// Returns the id of the server process. The statement is not prepared, because a pooler may run the parts of
/// a prepared one in different processes.
async fn process_id(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    connection.fetch_one(AssertSqlSafe("SELECT pg_backend_pid()".to_owned())).await?.try_get(0)
}

//! Notifications between instances on the same database (LISTEN and NOTIFY).

use std::time::Duration;

use sea_orm::{Statement, sqlx::postgres::PgListener};
use tracing::debug;

use super::{
    BACKEND,
    connection::Connection,
    servers::{ConnectError, Servers},
};
use crate::store::StoreError;

const CHANNEL: &str = "product_change";
/// Pause between the loss of the connection and the next attempt to listen.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Timeout of an attempt to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Notifies the other instances, so that they read the change log. The message contains only `name`, the
/// name of this instance. If the message is lost, they read the log later.
pub(super) async fn notify_peers(connection: &mut Connection, name: &str) -> Result<(), StoreError> {
    let values = [CHANNEL.into(), name.into()];
    let notify = Statement::from_sql_and_values(BACKEND, "SELECT pg_notify($1, $2)", values);
    connection.execute(notify).await.map(drop)
}

/// Calls `notified` for each notification from an instance other than `name`, and each time a notification
/// may have been missed. Never returns.
pub(super) async fn on_notification(servers: &Servers, name: &str, notified: &(dyn Fn() + Send + Sync)) {
    loop {
        if let Err(error) = listen(servers, name, notified).await {
            debug!(%error, "cannot listen for notifications of other instances");
        }
        notified();
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn listen(
    servers: &Servers,
    name: &str,
    notified: &(dyn Fn() + Send + Sync),
) -> Result<(), ConnectError> {
    let pool = servers.pool(CONNECT_TIMEOUT).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    notified();
    loop {
        match listener.try_recv().await? {
            Some(message) if message.payload() == name => {}
            // Either another instance sent the message, or the connection was lost.
            _ => notified(),
        }
    }
}

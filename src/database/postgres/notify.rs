//! Notifies other instances on the same database of changes to products (LISTEN and NOTIFY).

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbErr, Statement,
    sqlx::{self, postgres::PgListener},
};
use tracing::debug;

use crate::database::{Database, Kind};

const CHANNEL: &str = "product_change";
/// Pause between the loss of the connection and the next attempt to listen.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

impl Database {
    /// Notifies the other instances, so that they read the change log. The message contains only `name`, the
    /// name of this instance. If the message is lost, they read the log later.
    ///
    /// # Errors
    /// Returns a [`DbErr`] if the statement fails.
    pub async fn notify_peers(&self, name: &str) -> Result<(), DbErr> {
        if self.kind() == Kind::PostgreSql {
            let values = [CHANNEL.into(), name.into()];
            let notify = Statement::from_sql_and_values(
                self.0.writes.get_database_backend(),
                "SELECT pg_notify($1, $2)",
                values,
            );
            self.0.writes.execute_raw(notify).await?;
        }
        Ok(())
    }

    /// Calls `notified` for each notification from an instance other than `name`, and each time a
    /// notification may have been missed. Never returns. On SQLite, never calls `notified`, as there is only
    /// one instance.
    pub async fn on_notification(&self, name: &str, notified: impl Fn()) {
        if self.kind() == Kind::Sqlite {
            return std::future::pending().await;
        }
        loop {
            if let Err(error) = self.listen(name, &notified).await {
                debug!(%error, "cannot listen for notifications of other instances");
            }
            notified();
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn listen(&self, name: &str, notified: &impl Fn()) -> Result<(), sqlx::Error> {
        let mut listener =
            PgListener::connect_with(self.0.health_connection.get_postgres_connection_pool()).await?;
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
}

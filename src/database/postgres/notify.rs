//! Tells the copies of the server on one database that there is something new (PostgreSQL's LISTEN and NOTIFY).

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DbErr, Statement,
    sqlx::{self, postgres::PgListener},
};
use tracing::debug;

use crate::database::{Database, Kind};

const CHANNEL: &str = "product_change";
const PAUSE: Duration = Duration::from_secs(1);

impl Database {
    /// Wakes the other copies. What there is to know they read for themselves: nothing but this copy's name is in
    /// the message, and one that gets lost costs them time, no knowledge.
    ///
    /// # Errors
    /// The database fails.
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

    /// Calls `woken` whenever another copy than `name` has woken us, or may have done so while the connection was
    /// lost; for ever. On SQLite there are no others.
    pub async fn on_notification(&self, name: &str, woken: impl Fn()) {
        if self.kind() == Kind::Sqlite {
            return std::future::pending().await;
        }
        loop {
            if let Err(error) = self.listen(name, &woken).await {
                debug!(%error, "other copies of the server can't be heard");
            }
            woken();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&self, name: &str, woken: &impl Fn()) -> Result<(), sqlx::Error> {
        let mut listener =
            PgListener::connect_with(self.0.health_connection.get_postgres_connection_pool()).await?;
        listener.listen(CHANNEL).await?;
        woken();
        loop {
            match listener.try_recv().await? {
                Some(message) if message.payload() == name => {}
                // Somebody else's, or the connection was lost in between.
                _ => woken(),
            }
        }
    }
}

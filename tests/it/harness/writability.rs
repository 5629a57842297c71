//! Makes all writes to the database fail, while reads go on.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sea_orm::ConnectionTrait;

use super::{Server, cluster};

impl Server {
    /// Lets the database accept writes or not. SQLite gets the errors of a full disk by a limit of the file size,
    /// which works without a mount; the setup must survive it. PostgreSQL becomes read-only for new connections.
    pub async fn set_writable(&self, writable: bool) {
        let Some(name) = &self.setup.database else {
            let maximum = getrlimit(Resource::Fsize).maximum;
            let current = if writable { maximum } else { Some(1) };
            let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
            prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum }).unwrap();
            return;
        };
        let admin = cluster().await.connect("postgres").await;
        let value = if writable { "off" } else { "on" };
        for sql in [
            format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            admin.execute_unprepared(&sql).await.unwrap();
        }
    }
}

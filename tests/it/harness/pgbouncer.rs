//! PgBouncer between the server and PostgreSQL.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{PASSWORD, Setup, Store, cluster, eventually, free_port, postgres::as_postgres};

/// Shell script that runs PgBouncer until standard input closes. `$0` is the configuration file.
const SUPERVISE: &str = r#"/usr/sbin/pgbouncer "$0" & cat; kill -INT $!; wait $!"#;

/// A running PgBouncer, which ends with this value.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts PgBouncer in a pool mode in front of a new database. Returns the setup that uses it.
    pub async fn start(mode: &str) -> (Setup, Self) {
        let mut setup = Setup::new(Store::PostgreSql).await;
        let (database, port) = (setup.database.clone().unwrap(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users.txt");
        std::fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).unwrap();
        let config = format!(
            "[databases]\n{database} = host=127.0.0.1 port={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = plain\n\
             auth_file = {}\npool_mode = {mode}\ndefault_pool_size = 20\nunix_socket_dir =\n",
            cluster().await.port(),
            users.display(),
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, config).unwrap();
        if rustix::process::getuid().is_root() {
            let status = Command::new("chown").args(["-R", "postgres"]).arg(folder.path()).status().unwrap();
            assert!(status.success());
        }
        let child = as_postgres("sh".as_ref())
            .args(["-c", SUPERVISE])
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pooler = Self { child, _folder: folder };
        eventually("PgBouncer listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        setup.database_url =
            setup.database_url.replace(&cluster().await.port().to_string(), &port.to_string());
        (setup, pooler)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

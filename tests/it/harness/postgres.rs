//! A temporary PostgreSQL cluster, which uses the installed binaries. All tests of a run share it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::OnceCell;

use super::eventually;

/// A running cluster. If the test process ends for any reason, the standard input of the supervisor closes.
/// The supervisor stops PostgreSQL and deletes its folder.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    _supervisor: Child,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Password of the database user, which must not appear in any log.
pub const PASSWORD: &str = "correct-horse";

/// Shell script of the supervisor. `$0` is the folder of the binaries, `$1` the folder of the cluster and
/// `$2` the port.
const SUPERVISE: &str = r#"
"$0/postgres" -D "$1/data" -p "$2" -c unix_socket_directories="$1" -c max_connections=400 -c fsync=off \
    >"$1/log" 2>&1 &
cat
kill -INT $!
wait $!
rm -rf "$1"
"#;

pub async fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(Cluster::start).await
}

impl Cluster {
    /// Starts a cluster. Most tests share the one of [`cluster`].
    pub async fn start() -> Self {
        let bin = binaries();
        let dir = tempfile::tempdir().unwrap().keep();
        let password = dir.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres"]).arg(&dir));
        }
        run(as_postgres(&bin.join("initdb"))
            .arg("--pgdata")
            .arg(dir.join("data"))
            .arg(format!("--pwfile={}", password.display()))
            .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"])
            .stdout(Stdio::null()));
        Self::run(&dir).await
    }

    /// Starts a standby, which follows this cluster by streaming replication. SQL can promote it.
    pub async fn start_standby(&self) -> Self {
        let dir = tempfile::tempdir().unwrap().keep();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&dir));
        }
        run(as_postgres(&binaries().join("pg_basebackup"))
            .arg("--pgdata")
            .arg(dir.join("data"))
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--dbname", &self.url("postgres")]));
        Self::run(&dir).await
    }

    /// Runs the cluster in a folder, and waits until it accepts connections.
    async fn run(dir: &Path) -> Self {
        let port = free_port();
        let supervisor = as_postgres(Path::new("sh"))
            .args(["-c", SUPERVISE])
            .arg(binaries())
            .arg(dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let cluster = Self { port, _supervisor: supervisor };
        let url = cluster.url("postgres");
        eventually("PostgreSQL accepts connections", async || Database::connect(&url).await.is_ok()).await;
        cluster
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Opens a connection to a database without the server.
    pub async fn connect(&self, database: &str) -> DatabaseConnection {
        Database::connect(self.url(database)).await.unwrap()
    }

    /// Creates an empty database and returns its name.
    pub async fn new_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name}");
        self.connect("postgres").await.execute_unprepared(&sql).await.unwrap();
        name
    }
}

/// Returns a command that runs `program`. PostgreSQL does not run as root. Root therefore runs it as the user
/// `postgres`, which Debian's packages create.
pub fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// Returns the `bin` folder of the newest version that Debian's packages installed. If no version is installed, returns
/// the first folder on `PATH` that contains `initdb`.
fn binaries() -> PathBuf {
    let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max_by_key(version)
        .or_else(|| std::env::split_paths(&path).find(|bin| bin.join("initdb").exists()))
        .expect("PostgreSQL's server is installed (Debian: apt-get install postgresql)")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

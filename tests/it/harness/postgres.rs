//! A temporary PostgreSQL cluster, which uses the installed binaries. All tests of a run share it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use tokio::sync::OnceCell;

use super::eventually;

/// A running cluster. If the test process ends for any reason, the standard input of the supervisor closes.
/// The supervisor stops PostgreSQL and deletes its folder.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    folder: PathBuf,
    _supervisor: Child,
}

/// Processes that are stopped until this value is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        signal_all(&self.0, Signal::CONT);
    }
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Password of the database user, which must not appear in any log.
pub const PASSWORD: &str = "correct-horse";

/// What PostgreSQL stores of [`PASSWORD`] (RFC 5803), with one iteration instead of 4,096, which would take a
/// fifth of the CPU time of all tests.
const STORED_PASSWORD: &str = "SCRAM-SHA-256$1:YSBjb25zdGFudCBzYWx0Lg==$\
     5B7ZKaxsazoO+EpdZp6SdGMT2yjMDocrmj6EIS9lcNE=:s4dDLwKDutnRyj40ONrc/sPO8L4g6HwCDKJHgrtSl18=";

/// Shell script of the supervisor. `$0` is the folder of the binaries, `$1` the folder of the cluster and
/// `$2` the port.
const SUPERVISE: &str = r#"
"$0/postgres" -D "$1/data" -p "$2" -c unix_socket_directories="$1" -c max_connections=400 \
    -c fsync=off -c wal_init_zero=off >"$1/log" 2>&1 &
cat
kill -INT $! 2>/dev/null
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
        std::fs::write(&password, STORED_PASSWORD).unwrap();
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
        let cluster = Self { port, folder: dir.to_owned(), _supervisor: supervisor };
        let url = cluster.url("postgres");
        eventually("PostgreSQL accepts connections", async || Database::connect(&url).await.is_ok()).await;
        cluster
    }

    /// Kills all processes with SIGKILL.
    pub fn kill(&self) {
        signal_all(&self.processes(), Signal::KILL);
    }

    /// Stops all processes. Their connections stay open.
    pub fn freeze(&self) -> Frozen {
        let processes = self.processes();
        signal_all(&processes, Signal::STOP);
        Frozen(processes)
    }

    /// Returns the main process, then its children.
    fn processes(&self) -> Vec<Pid> {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let main = file.lines().next().unwrap();
        let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).unwrap();
        let ids = [main].into_iter().chain(children.split_whitespace());
        ids.map(|id| Pid::from_raw(id.parse().unwrap()).unwrap()).collect()
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

    /// Returns the first column of the first row of a query as text.
    pub async fn value(&self, database: &str, sql: &str) -> String {
        let connection = self.connect(database).await;
        let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await;
        let value = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        connection.close().await.unwrap();
        value
    }

    /// Changes a setting of all databases.
    pub async fn set(&self, setting: &str, value: &str) {
        let connection = self.connect("postgres").await;
        let sql = format!("ALTER SYSTEM SET {setting} = '{value}'");
        connection.execute_unprepared(&sql).await.unwrap();
        connection.execute_unprepared("SELECT pg_reload_conf()").await.unwrap();
    }

    /// Waits until a standby of this cluster has replayed all changes.
    pub async fn wait_for_standby(&self, standby: &Self) {
        let written = self.value("postgres", "SELECT pg_current_wal_lsn()::text").await;
        let is_replayed = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::text");
        let is_current = async || standby.value("postgres", &is_replayed).await == "true";
        eventually("the standby is current", is_current).await;
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        assert_eq!(self.value("postgres", "SELECT pg_promote()::text").await, "true");
    }

    /// Creates an empty database and returns its name. The default strategy would take three times as long.
    pub async fn new_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} STRATEGY file_copy");
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

/// Sends a signal to the processes. A child may have ended.
fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        let _ = kill_process(*process, signal);
    }
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

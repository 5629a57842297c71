//! A throw-away PostgreSQL cluster from the machine's own binaries, one for all tests of a run.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use tokio::sync::OnceCell;

/// The running cluster. It stops and its folder goes when the tests' process ends, however that happens:
/// the shell that holds it waits for the end of its standard input.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    _keeper: Child,
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Must not be seen in any log.
pub const PASSWORD: &str = "correct-horse";

const KEEP: &str = r#"
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
    async fn start() -> Self {
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
        let port = free_port();
        let keeper = as_postgres(Path::new("sh"))
            .args(["-c", KEEP])
            .arg(&bin)
            .arg(&dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let cluster = Self { port, _keeper: keeper };
        let ready = async { while Database::connect(cluster.url("postgres")).await.is_err() {} };
        tokio::time::timeout(super::log::TIMEOUT, ready).await.expect("PostgreSQL starts");
        cluster
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection to look behind the server's back.
    pub async fn connect(&self, database: &str) -> DatabaseConnection {
        Database::connect(self.url(database)).await.unwrap()
    }

    /// Makes an empty database and returns its name.
    pub async fn new_database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name}");
        self.connect("postgres").await.execute_unprepared(&sql).await.unwrap();
        name
    }
}

/// PostgreSQL refuses to run as root; Debian's packages bring a user for it.
fn as_postgres(program: &Path) -> Command {
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

/// The newest of Debian's versions, or what the path has.
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

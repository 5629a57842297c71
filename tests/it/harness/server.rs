//! Starts the binary of the server, and kills it when the test ends.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use sea_orm::DatabaseConnection;
use serde_json::Value;
use stockmeter::store::PoolOptions;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Log, Store, client::http_client, cluster, log::TIMEOUT, slow_tests::Stopwatch};

/// Returns a command that runs the binary in `folder` with an empty environment.
pub fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockmeter"));
    command.current_dir(folder).env_clear().kill_on_drop(true);
    command
}

pub fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Configuration of a server to start.
#[derive(Clone, Debug)]
pub struct Setup {
    pub folder: Arc<TempDir>,
    pub database_url: String,
    pub database: Option<String>,
    settings: Vec<(&'static str, String)>,
    /// Number of request threads; `None` for the server's default.
    workers: Option<&'static str>,
    survives_file_size_limit: bool,
    _stopwatch: Stopwatch,
}

impl Setup {
    /// Creates a temporary folder and an empty database, and returns their configuration.
    pub async fn new(store: Store) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        // One thread selects Tokio's current-thread scheduler, two select the multi-threaded one. The tests cover
        // both on every machine.
        let workers = Some(if store == Store::Sqlite { "1" } else { "2" });
        let (database_url, database) = match store {
            Store::Sqlite => ("sqlite://stockmeter.db".to_owned(), None),
            Store::PostgreSql => {
                let cluster = cluster().await;
                let name = cluster.new_database().await;
                (cluster.url(&name), Some(name))
            }
        };
        Self {
            folder,
            database_url,
            database,
            settings: Vec::new(),
            workers,
            survives_file_size_limit: false,
            _stopwatch: Stopwatch::start(),
        }
    }

    /// Returns the configuration of a server on a database of another cluster than [`cluster`].
    pub async fn on(database_url: String) -> Self {
        let setup = Self::new(Store::Sqlite).await;
        Self { database_url, workers: Some("2"), ..setup }
    }

    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("stockmeter.db")
    }

    /// Uses the server's default for the number of request threads.
    pub fn with_default_workers(self) -> Self {
        Self { workers: None, ..self }
    }

    /// Makes a write beyond the file size limit an error, instead of the end of the server.
    pub fn surviving_file_size_limit(self) -> Self {
        Self { survives_file_size_limit: true, ..self }
    }

    /// Returns a command that runs the binary with these settings.
    pub fn command(&self) -> Command {
        let mut command = binary(self.folder.path());
        if self.survives_file_size_limit {
            // An ignored signal stays ignored in the binary.
            command = Command::new("/bin/sh");
            command.args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#, env!("CARGO_BIN_EXE_stockmeter")]);
            command.current_dir(self.folder.path()).env_clear().kill_on_drop(true);
        }
        command.env("DATABASE_URL", &self.database_url).env("STOCKMETER_LISTEN", "127.0.0.1:0");
        // On a busy machine, requests may wait long for a database connection. They must not fail.
        command.env("STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", "60s");
        // Heavy loads would write a line for each of their requests.
        command.env("STOCKMETER_ACCESS_LOG", "false");
        // The tests of access send many invalid tokens from one address.
        command.env("STOCKMETER_FAILED_AUTHENTICATIONS", "100000");
        command.envs(self.workers.map(|workers| ("TOKIO_WORKER_THREADS", workers)));
        command.envs(self.settings.iter().cloned());
        command
    }

    /// Starts the server without waiting until it listens. Returns its process and its log.
    pub fn spawn(&self) -> (Child, Log) {
        let mut child = self.command().stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::read_from(child.stderr.take().unwrap());
        (child, log)
    }

    /// Starts the server, waits until it listens and returns it.
    pub async fn start(self) -> Server {
        let (child, log) = self.spawn();
        let line: Value = serde_json::from_str(&log.wait_for_line("listening on").await).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        let http = http_client().timeout(TIMEOUT).build().unwrap();
        Server { child, log, address, http, setup: self }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub log: Log,
    pub address: String,
    pub http: reqwest::Client,
    pub setup: Setup,
}

impl Server {
    pub async fn start(store: Store) -> Self {
        Setup::new(store).await.start().await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Kills the server with SIGKILL. Returns a new server on the same database.
    pub async fn kill_and_restart(mut self) -> Self {
        self.child.kill().await.unwrap();
        self.setup.clone().start().await
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    /// Waits until the process exits and returns its status.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        tokio::time::timeout(TIMEOUT, self.child.wait()).await.expect("the server exits in time").unwrap()
    }

    /// Opens a connection from the test to the server's database.
    pub async fn direct_connection(&self) -> DatabaseConnection {
        if let Some(name) = &self.setup.database {
            return cluster().await.connect(name).await;
        }
        self.store().await.schema_connection().await.unwrap()
    }

    /// Opens the server's SQLite file.
    pub async fn store(&self) -> Arc<dyn stockmeter::store::Store> {
        let url = format!("sqlite://{}", self.setup.file().display()).parse().unwrap();
        let options = PoolOptions {
            connections: 1,
            wait: TIMEOUT,
            acquire_timeout: TIMEOUT,
            statement_timeout: TIMEOUT,
        };
        stockmeter::store::open(&url, None, options, None).await.unwrap()
    }
}

//! The server under test: the real binary, killed when the case ends.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use sea_orm::DatabaseConnection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Log, Store, client::http_client, cluster, log::TIMEOUT};

/// The program, in a folder and an environment of its own.
pub fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stockmeter"));
    command.current_dir(folder).env_clear().kill_on_drop(true);
    command
}

pub fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// How a server is to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    pub folder: Arc<TempDir>,
    pub database_url: String,
    pub database: Option<String>,
    settings: Vec<(&'static str, String)>,
    /// How many threads serve requests; none where the program is to decide.
    workers: Option<&'static str>,
}

impl Setup {
    /// A folder and an empty database.
    pub async fn new(store: Store) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        // Each of Tokio's schedulers is tried, whatever the machine has.
        let workers = Some(if store == Store::Sqlite { "1" } else { "2" });
        let (database_url, database) = match store {
            Store::Sqlite => ("sqlite://stockmeter.db".to_owned(), None),
            Store::PostgreSql => {
                let cluster = cluster().await;
                let name = cluster.new_database().await;
                (cluster.url(&name), Some(name))
            }
        };
        Self { folder, database_url, database, settings: Vec::new(), workers }
    }

    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("stockmeter.db")
    }

    /// With as many threads for requests as the program decides.
    pub fn with_usual_workers(self) -> Self {
        Self { workers: None, ..self }
    }

    /// The program with these settings.
    pub fn command(&self) -> Command {
        let mut command = binary(self.folder.path());
        command.env("DATABASE_URL", &self.database_url).env("STOCKMETER_LISTEN", "127.0.0.1:0");
        // On a machine that is busy with other things, a queue for the database is no failure.
        command.env("STOCKMETER_DATABASE_ACQUIRE_TIMEOUT", "60s");
        command.envs(self.workers.map(|workers| ("TOKIO_WORKER_THREADS", workers)));
        command.envs(self.settings.iter().cloned());
        command
    }

    /// Starts it without waiting for anything.
    pub fn spawn(&self) -> (Child, Log) {
        let mut child = self.command().stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        (child, log)
    }

    /// Starts a server and waits until it listens.
    pub async fn start(self) -> Server {
        let (child, log) = self.spawn();
        let line: Value = serde_json::from_str(&log.line("listening on").await).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        let http = http_client().timeout(TIMEOUT).build().unwrap();
        Server { child, log, address, http, setup: self }
    }
}

/// A server that listens.
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

    /// `kill -9`, and a new server on the same store.
    pub async fn kill_and_restart(mut self) -> Self {
        self.child.kill().await.unwrap();
        self.setup.clone().start().await
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    /// Its end, awaited.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(TIMEOUT, self.child.wait()).await.expect("it ends").unwrap()
    }

    /// A connection to its database, past the server.
    pub async fn behind_the_back(&self) -> DatabaseConnection {
        match &self.setup.database {
            Some(name) => cluster().await.connect(name).await,
            None => {
                sea_orm::Database::connect(format!("sqlite://{}", self.setup.file().display())).await.unwrap()
            }
        }
    }
}

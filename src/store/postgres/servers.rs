//! The servers of a URL. sqlx knows one host, so the choice between several ones is made here, as libpq makes it.

use std::{
    fmt::{self, Write as _},
    io,
    sync::Arc,
    time::Duration,
};

use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::store::{StoreError, error::describe};

/// Timeout of the connection to one of several hosts, so that the others are tried in time.
const HOST_TIMEOUT: Duration = Duration::from_secs(1);

/// Servers, of which connections use the first one that is available and as required. Cheap to clone.
#[derive(Clone)]
pub struct Servers {
    hosts: Arc<[PgConnectOptions]>,
    required: SessionAttribute,
}

/// What a connection must be able to do (`target_session_attrs` of libpq).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionAttribute {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    /// A standby, or any server if no standby is available.
    PreferStandby,
}

impl SessionAttribute {
    pub const ALL: [(&str, Self); 6] = [
        ("any", Self::Any),
        ("read-write", Self::ReadWrite),
        ("read-only", Self::ReadOnly),
        ("primary", Self::Primary),
        ("standby", Self::Standby),
        ("prefer-standby", Self::PreferStandby),
    ];

    /// Returns the query that tells whether a server is as required, or what is wrong with the other servers.
    /// Returns `None` if every server is as required.
    fn check(self) -> Option<(&'static str, &'static str)> {
        const IS_READ_ONLY: &str = "SELECT current_setting('transaction_read_only')::boolean";
        const IS_STANDBY: &str = "SELECT pg_is_in_recovery()";
        match self {
            Self::Any => None,
            Self::ReadWrite => Some((IS_READ_ONLY, "the server is read-only")),
            Self::ReadOnly => Some((IS_READ_ONLY, "the server accepts writes")),
            Self::Primary => Some((IS_STANDBY, "the server is a standby")),
            Self::Standby | Self::PreferStandby => Some((IS_STANDBY, "the server is not a standby")),
        }
    }

    /// Returns whether the query of [`SessionAttribute::check`] must return true.
    fn expected(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Standby | Self::PreferStandby)
    }
}

impl Servers {
    /// Poolers reject unknown startup parameters, so the connections send none.
    pub(super) fn new(hosts: impl IntoIterator<Item = PgConnectOptions>, required: SessionAttribute) -> Self {
        let options = |host: PgConnectOptions| {
            host.application_name("stockmeter").extra_float_digits(None).disable_statement_logging()
        };
        Self { hosts: hosts.into_iter().map(options).collect(), required }
    }

    /// Opens a connection to the first server that is available and as required.
    pub(super) async fn connect(&self) -> Result<PgConnection, ConnectError> {
        Ok(self.connect_to_one().await?.1)
    }

    /// Returns the first server that is available and as required. The only server is not asked if it may be any.
    pub(super) async fn select(&self) -> Result<Self, ConnectError> {
        if self.required == SessionAttribute::Any && self.hosts.len() == 1 {
            return Ok(self.clone());
        }
        let (host, connection) = self.connect_to_one().await?;
        // The connection was only a test, so an error on close does not matter.
        drop(connection.close().await);
        Ok(Self { hosts: [host.clone()].into(), required: SessionAttribute::Any })
    }

    /// Returns a pool of one connection to such a server, for libraries that require sqlx's pool.
    pub(super) async fn pool(&self, acquire_timeout: Duration) -> Result<PgPool, ConnectError> {
        let server = self.select().await?;
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(acquire_timeout);
        Ok(options.connect_lazy_with(server.hosts[0].clone()))
    }

    async fn connect_to_one(&self) -> Result<(&PgConnectOptions, PgConnection), ConnectError> {
        let (mut failures, mut substitute) = (Vec::new(), None);
        let is_only = self.hosts.len() == 1;
        for host in &*self.hosts {
            let attempt = self.connect_to(host);
            let attempt = if is_only {
                attempt.await
            } else {
                let timed_out = |_| Err(sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)).into());
                tokio::time::timeout(HOST_TIMEOUT, attempt).await.unwrap_or_else(timed_out)
            };
            match attempt {
                Ok((connection, None)) => return Ok((host, connection)),
                Ok((connection, Some(_))) if self.required == SessionAttribute::PreferStandby => {
                    substitute.get_or_insert((host, connection));
                }
                Ok((_, Some(problem))) => failures.push((host, HostError::Other(problem))),
                Err(error) => failures.push((host, error)),
            }
        }
        substitute.ok_or_else(|| {
            let failures = failures.into_iter().map(|(host, error)| (name(host), error));
            ConnectError { failures: failures.collect() }
        })
    }

    /// Opens a connection to a server. Returns it with what is wrong with the server, if anything.
    async fn connect_to(
        &self,
        host: &PgConnectOptions,
    ) -> Result<(PgConnection, Option<&'static str>), HostError> {
        let mut connection = host.connect().await?;
        let Some((query, problem)) = self.required.check() else {
            return Ok((connection, None));
        };
        // The query is not prepared, which would take another round trip.
        let row = connection.fetch_one(AssertSqlSafe(query)).await?;
        let is_as_required = row.try_get::<bool, _>(0)? == self.required.expected();
        Ok((connection, (!is_as_required).then_some(problem)))
    }
}

impl fmt::Display for Servers {
    /// Writes the hosts and the database, without the user and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(name).collect();
        f.write_str(&hosts.join(","))?;
        let database = self.hosts.first().and_then(PgConnectOptions::get_database);
        database.map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

/// Returns the name of a server in messages.
fn name(host: &PgConnectOptions) -> String {
    format!("{}:{}", host.get_host(), host.get_port())
}

/// Reason why no server of a URL can be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.describe())]
pub(in crate::store) struct ConnectError {
    /// The hosts in the order of the attempts, and the reason for each. Not empty.
    failures: Vec<(String, HostError)>,
}

/// Reason why a server cannot be used.
#[derive(Debug, thiserror::Error)]
enum HostError {
    #[error("{}", describe(.0))]
    Connection(#[from] sqlx::Error),
    /// The server is not as required.
    #[error("{0}")]
    Other(&'static str),
}

impl ConnectError {
    /// Returns the reasons. With several hosts, each reason has the name of its host.
    fn describe(&self) -> String {
        if let [(_, only)] = &*self.failures {
            return only.to_string();
        }
        let mut text = String::new();
        for (host, error) in &self.failures {
            let separator = if text.is_empty() { "" } else { "; " };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{separator}{host}: {error}");
        }
        text
    }

    /// Returns whether a retry would fail as well: the user, password, database or a permission is wrong on every
    /// server.
    pub fn is_permanent(&self) -> bool {
        self.failures.iter().all(|(_, error)| match error {
            HostError::Connection(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with("28") || ["3D000", "42501"].contains(&code.as_ref())),
            // The server has no TLS although the URL requires it, or its certificate is not trusted.
            HostError::Connection(sqlx::Error::Configuration(_) | sqlx::Error::Tls(_)) => true,
            HostError::Connection(_) | HostError::Other(_) => false,
        })
    }
}

impl From<sqlx::Error> for ConnectError {
    fn from(error: sqlx::Error) -> Self {
        Self { failures: vec![(String::new(), error.into())] }
    }
}

impl From<ConnectError> for StoreError {
    fn from(error: ConnectError) -> Self {
        let text = error.to_string();
        match <[_; 1]>::try_from(error.failures) {
            Ok([(_, HostError::Connection(error))]) => error.into(),
            _ => Self::unavailable(text),
        }
    }
}

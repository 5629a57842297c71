//! Authentication of callers, by API tokens and JSON Web Tokens.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    domain::{Caller, Identity, Scope, Scopes, TokenDigest, network, parse_token},
    gcra::Gcra,
    rate_by_holder::RateByHolder,
    store::{Store, StoreError},
    unix_time::now,
};

mod jwt;
mod ring_provider;
mod token_table;
pub mod tokens;

use jwt::JwtVerifier;
pub use jwt::{JwtError, JwtKeys, JwtOptions};
use token_table::TokenTable;

/// Interval at which the tokens are read again. It bounds the time for which a revoked token is accepted.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// Period in which a network may have a number of failed authentications.
const FAILURE_PERIOD: Duration = Duration::from_secs(60);
/// Interval at which the times of the last uses are stored.
const LAST_USED_INTERVAL: Duration = Duration::from_secs(60);

/// Settings of the authentication.
pub struct AccessOptions {
    /// Scopes of callers without credentials. `None` selects [`Scopes::ALL`] while the database has no token and
    /// no JWT key is configured, otherwise [`Scopes::NONE`].
    pub anonymous: Option<Scopes>,
    /// Digest of a token with the scope `metrics`; `None` if there is no such token.
    pub metrics_token: Option<TokenDigest>,
    /// `None` if JSON Web Tokens are not accepted.
    pub jwt: Option<JwtOptions>,
    /// Number of failed authentications that one network may have in a minute.
    pub failures_per_minute: u32,
}

/// Authenticates callers. Cheap to clone.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    anonymous: Option<Scopes>,
    metrics_token: Option<(TokenDigest, Caller)>,
    jwt: Option<JwtVerifier>,
    tokens: watch::Sender<TokenTable>,
    failures: RateByHolder,
}

/// The credentials of a request are not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken;

/// Reason why the authentication cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("cannot read the API tokens: {0}")]
    Tokens(#[from] StoreError),
    #[error(transparent)]
    Jwt(#[from] JwtError),
}

impl Access {
    /// Reads the tokens from the database, and the keys for JSON Web Tokens.
    ///
    /// # Errors
    /// Returns an error if the tokens or the keys cannot be read.
    pub async fn open(store: Arc<dyn Store>, options: AccessOptions) -> Result<Self, AccessError> {
        let AccessOptions { anonymous, metrics_token, jwt, failures_per_minute } = options;
        let jwt = jwt.map(JwtVerifier::new).transpose()?;
        let metrics_caller = || Caller::new(Identity::MetricsToken, Scope::Metrics.into(), None);
        let inner = Inner {
            store,
            anonymous,
            metrics_token: metrics_token.map(|digest| (digest, metrics_caller())),
            jwt,
            tokens: watch::Sender::new(TokenTable::default()),
            failures: RateByHolder::new(Gcra::new(
                FAILURE_PERIOD / failures_per_minute.max(1),
                failures_per_minute,
            )),
        };
        inner.refresh().await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Returns whether callers can authenticate for the API, or `STOCKMETER_ANONYMOUS` says what others may do.
    pub fn is_decided(&self) -> bool {
        self.0.anonymous.is_some() || self.0.jwt.is_some() || self.0.tokens.borrow().has_tokens()
    }

    /// Returns the caller with these credentials. `token` is `None` for a request without a bearer token.
    ///
    /// # Errors
    /// Returns [`InvalidToken`] if the token is unknown, has ended or is malformed.
    pub fn authenticate(&self, token: Option<&[u8]>) -> Result<Caller, InvalidToken> {
        let Inner { metrics_token, jwt, tokens, .. } = &*self.0;
        let Some(token) = token else {
            return Ok(tokens.borrow().anonymous.clone());
        };
        if let Some(id) = parse_token(token) {
            return tokens.borrow().find(id, TokenDigest::of(token)).ok_or(InvalidToken);
        }
        if let Some((digest, caller)) = metrics_token
            && *digest == TokenDigest::of(token)
        {
            return Ok(caller.clone());
        }
        jwt.as_ref().and_then(|jwt| jwt.verify(token)).ok_or(InvalidToken)
    }

    /// Records a failed authentication from an address. Valid tokens stay valid there, because strangers may have the
    /// address of a proxy in common with others.
    ///
    /// # Errors
    /// Returns the time to wait if the address has had too many.
    pub fn record_failure(&self, address: IpAddr) -> Result<(), Duration> {
        self.0.failures.take(network(address), 1)
    }

    /// Waits until the credentials of a caller end: the token expires or is revoked, or callers without
    /// credentials lose a scope.
    pub async fn ended(&self, caller: Caller) {
        let mut tokens = self.0.tokens.subscribe();
        let lifetime =
            caller.expires_at().map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let expiry = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        loop {
            if !tokens.borrow_and_update().is_current(&caller) {
                return;
            }
            let expired = async {
                match expiry {
                    Some(expiry) => tokio::time::sleep_until(expiry).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expired => return,
                Ok(()) = tokens.changed() => {}
            }
        }
    }

    /// Reads the tokens again and again, and stores the times of their last uses. Never returns.
    pub async fn run(&self) {
        let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_used = tokio::time::interval(LAST_USED_INTERVAL);
        loop {
            tokio::select! {
                _ = refresh.tick() => {
                    // While the database is unavailable, the known tokens stay valid.
                    if let Err(error) = self.0.refresh().await {
                        tracing::warn!(%error, "cannot read the API tokens again");
                    }
                    if let Some(jwt) = &self.0.jwt {
                        jwt.reload();
                    }
                }
                _ = last_used.tick() => self.store_last_used().await,
            }
        }
    }

    /// Stores the times at which tokens were last used, up to a minute late.
    pub async fn store_last_used(&self) {
        let used = self.0.tokens.borrow().take_used();
        if !used.is_empty() && self.0.store.set_api_tokens_used(&used, now()).await.is_err() {
            tracing::warn!("cannot store when tokens were last used");
        }
    }
}

impl Inner {
    async fn refresh(&self) -> Result<(), StoreError> {
        let tokens = self.store.api_tokens().await?;
        self.tokens.send_if_modified(|table| {
            let is_open = tokens.is_empty() && self.jwt.is_none();
            let scopes = self.anonymous.unwrap_or(if is_open { Scopes::ALL } else { Scopes::NONE });
            // With a metrics token, the metrics are not public.
            let scopes = if self.metrics_token.is_some() { scopes.without_metrics() } else { scopes };
            table.update(tokens, Caller::anonymous(scopes))
        });
        Ok(())
    }
}

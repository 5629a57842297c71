//! Settings of the access control.

use std::{env, path::PathBuf};

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::secret::{self, Secret};
use crate::{
    access::{AccessOptions, JwtKeys, JwtOptions},
    domain::{Scopes, TokenDigest},
    http::{
        allowed_hosts::HostPattern,
        client_address::{ProxyHeader, TrustedProxies},
    },
};

/// Variable with the secret of the legacy service.
const SECRET_KEY: &str = "SECRET_KEY";

/// Settings of the access control. API tokens are in the database: see `stockmeter token --help`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access")]
pub struct AccessConfig {
    /// Scopes of clients without a token: none, or read, write or admin, with or without metrics
    /// (`read,metrics`). By default, a server on a loopback address allows everything until the first token or a
    /// JWT key exists, and nothing from then on
    #[arg(long, global = true, env = "STOCKMETER_ANONYMOUS", value_name = "SCOPES", value_parser = parse_scopes)]
    pub anonymous: Option<Scopes>,

    /// Host names that the server serves, separated by commas; `*.` stands for any subdomain. By default, a listener
    /// on a loopback address serves only loopback hosts, such as localhost, and any other listener serves all hosts
    #[arg(long, global = true, env = "STOCKMETER_HOSTS", value_name = "HOST,…", value_delimiter = ',')]
    pub hosts: Vec<HostPattern>,

    /// Serve pages for people: the console (/), the API reference (/docs) and the GraphQL playground
    #[arg(long, global = true, env = "STOCKMETER_CONSOLES", value_name = "BOOL")]
    #[arg(default_value = "true", num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub consoles: bool,

    /// Networks of proxies that report the client's address, request id and trace, separated by commas
    /// (`10.0.0.0/8,::1/128`)
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_TRUSTED_PROXIES",
        value_name = "CIDR,…",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,

    /// Header in which these proxies report the address
    #[arg(long, global = true, env = "STOCKMETER_PROXY_HEADER", value_name = "NAME")]
    #[arg(default_value = "x-forwarded-for")]
    pub proxy_header: ProxyHeaderName,

    /// Bearer token with the scope metrics (`Authorization: Bearer TOKEN`); /metrics then needs a token
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_METRICS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        value_parser = secret::parse
    )]
    pub metrics_token: Option<Secret>,

    /// File with the public keys of JSON Web Tokens (JWKS), for RS256, ES256 and `EdDSA`; read again when it changes
    #[arg(long, global = true, env = "STOCKMETER_JWT_KEYS", value_name = "FILE")]
    pub jwt_keys: Option<PathBuf>,

    /// Shared secret of JSON Web Tokens (HS256), at least 32 bytes
    #[arg(long, global = true, env = "STOCKMETER_JWT_SECRET", value_name = "SECRET", hide_env_values = true)]
    #[arg(value_parser = secret::parse)]
    pub jwt_secret: Option<Secret>,

    /// Use the legacy service's `SECRET_KEY` as the shared secret of JSON Web Tokens
    #[arg(long, global = true, env = "STOCKMETER_JWT_SECRET_KEY", value_name = "BOOL")]
    #[arg(default_value = "false", num_args = 0..=1, default_missing_value = "true")]
    pub jwt_secret_key: bool,

    /// Required audience (aud) of JSON Web Tokens
    #[arg(long, global = true, env = "STOCKMETER_JWT_AUDIENCE", value_name = "TEXT")]
    pub jwt_audience: Option<String>,

    /// Required issuer (iss) of JSON Web Tokens
    #[arg(long, global = true, env = "STOCKMETER_JWT_ISSUER", value_name = "TEXT")]
    pub jwt_issuer: Option<String>,

    /// Claim of JSON Web Tokens with the scopes: a list, or text with spaces between the names
    #[arg(
        long,
        global = true,
        env = "STOCKMETER_JWT_SCOPE_CLAIM",
        value_name = "NAME",
        default_value = "scope"
    )]
    pub jwt_scope_claim: String,
}

impl AccessConfig {
    /// Returns the options of the authentication, which may fail a number of times in a minute.
    ///
    /// # Errors
    /// Returns a message if more than one source of JWT keys is set, or `SECRET_KEY` is missing.
    pub fn options(&self, failures_per_minute: u32) -> Result<AccessOptions, String> {
        Ok(AccessOptions {
            anonymous: self.anonymous,
            metrics_token: self
                .metrics_token
                .as_ref()
                .map(|token| TokenDigest::of(token.expose().as_bytes())),
            jwt: self.jwt_keys()?.map(|keys| JwtOptions {
                keys,
                audience: self.jwt_audience.clone(),
                issuer: self.jwt_issuer.clone(),
                scope_claim: self.jwt_scope_claim.clone(),
            }),
            failures_per_minute,
        })
    }

    fn jwt_keys(&self) -> Result<Option<JwtKeys>, String> {
        let secret = |secret: &str| JwtKeys::Secret(secret.as_bytes().to_vec());
        let legacy = match env::var(SECRET_KEY) {
            Ok(key) if self.jwt_secret_key => Some(secret(&key)),
            Err(_) if self.jwt_secret_key => {
                return Err("--jwt-secret-key is set, but the variable SECRET_KEY is not".to_owned());
            }
            _ => None,
        };
        let sources = [
            self.jwt_keys.clone().map(JwtKeys::File),
            self.jwt_secret.as_ref().map(|text| secret(text.expose())),
            legacy,
        ];
        let mut sources = sources.into_iter().flatten();
        let source = sources.next();
        if sources.next().is_some() {
            return Err("more than one source of JWT keys is set: choose --jwt-keys, --jwt-secret or \
                --jwt-secret-key"
                .to_owned());
        }
        Ok(source)
    }

    /// Returns the proxies whose reports are believed.
    pub fn trusted_proxies(&self) -> TrustedProxies {
        let header = match self.proxy_header {
            ProxyHeaderName::XForwardedFor => ProxyHeader::XForwardedFor,
            ProxyHeaderName::Forwarded => ProxyHeader::Forwarded,
        };
        TrustedProxies { networks: self.trusted_proxies.clone(), header }
    }

    /// Returns whether the legacy service's `SECRET_KEY` is set, but has no effect.
    pub fn ignores_secret_key(&self) -> bool {
        !self.jwt_secret_key && env::var_os(SECRET_KEY).is_some_and(|key| !key.is_empty())
    }
}

/// Header in which proxies report the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeaderName {
    /// X-Forwarded-For
    XForwardedFor,
    /// Forwarded (RFC 7239)
    Forwarded,
}

fn parse_scopes(text: &str) -> Result<Scopes, String> {
    text.parse().map_err(|_| "use none, or read, write, admin and metrics, separated by commas".to_owned())
}

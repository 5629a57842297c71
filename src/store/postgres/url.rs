//! Parses URLs of PostgreSQL in the syntax of libpq, with one host or several.

use sea_orm::sqlx::postgres::PgConnectOptions;
use tracing::subscriber::NoSubscriber;

use super::servers::{Servers, SessionAttribute};

/// Parses a URL.
///
/// # Errors
/// Returns the end of a sentence whose subject is the setting. It repeats no part of the URL that may be a password.
pub(in crate::store) fn parse(text: &str) -> Result<Servers, String> {
    let required = check(text)?;
    let (before, hosts, after) = split_hosts(text);
    let hosts: Vec<&str> = hosts.split(',').collect();
    if hosts.len() > 1 && hosts.iter().any(|host| host.is_empty() || host.starts_with(':')) {
        return Err("has an empty name in its list of hosts".to_owned());
    }
    let servers = hosts.iter().map(|host| parse_server(&format!("{before}{host}{after}")));
    Ok(Servers::new(servers.collect::<Result<Vec<_>, _>>()?, required))
}

/// Splits a URL into the part before the hosts, the hosts with their ports, and the part after them.
fn split_hosts(text: &str) -> (&str, &str, &str) {
    let start = text.find("://").map_or(0, |index| index + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |index| start + index);
    let start = text[..end].rfind('@').map_or(start, |index| index + 1);
    (&text[..start], &text[start..end], &text[end..])
}

/// Parses a URL with one host.
fn parse_server(text: &str) -> Result<PgConnectOptions, String> {
    // Logging is disabled, because sqlx logs unknown parameters, which may be part of a password.
    let parsed = tracing::subscriber::with_default(NoSubscriber::default(), || text.parse());
    let options: PgConnectOptions =
        // sqlx's message may repeat part of the URL.
        parsed.map_err(|_| {
            "is not a valid PostgreSQL URL: expected postgresql://user:password@host:5432/database"
        })?;
    // The URL's notation of an IPv6 address has brackets, which are not part of the address.
    let host = options.get_host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    Ok(match address {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// Parameter with the property that a connection must have. sqlx does not know it.
const SESSION_ATTRIBUTE: &str = "target_session_attrs";

/// Parameters that sqlx reads, and [`SESSION_ATTRIBUTE`].
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    SESSION_ATTRIBUTE,
];

/// Values of the parameter `sslmode`.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Checks what sqlx would ignore or misunderstand. Returns the required property of connections.
fn check(text: &str) -> Result<SessionAttribute, String> {
    if text.split('%').skip(1).any(|rest| !starts_with_hex_digits(rest)) {
        return Err("has a % that encodes no character: write % in a password as %25".to_owned());
    }
    // An unescaped `/`, `?` or `#` in a password ends the host, so the `@` is after the host.
    let after_host = text.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
    if after_host.is_some_and(|(_, rest)| rest.split_once('?').map_or(rest, |(path, _)| path).contains('@')) {
        return Err("has an @ after the host: write /, ? and # in a password as %2F, %3F and %23".to_owned());
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let mut required = SessionAttribute::Any;
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if ["sslmode", "ssl-mode"].contains(&name) && !SSL_MODES.contains(&value) {
            return Err(format!("has an unknown {name}: use one of {}", SSL_MODES.join(", ")));
        }
        if name == SESSION_ATTRIBUTE {
            let known = SessionAttribute::ALL;
            let found = known.into_iter().find(|(known, _)| *known == value);
            let names = known.map(|(known, _)| known).join(", ");
            (_, required) = found.ok_or_else(|| format!("has an unknown {name}: use one of {names}"))?;
        }
        if ["host", "hostaddr", "port"].contains(&name) && (value.contains(',') || value.contains("%2C")) {
            return Err(format!(
                "has several values of `{name}`: write the hosts before the database, as in \
                postgresql://first:5432,second:5432/database"
            ));
        }
        if !PARAMETERS.contains(&name) {
            let hint =
                if name.to_lowercase().starts_with("ssl") { ", for TLS use sslmode=require" } else { "" };
            return Err(format!("has the unknown parameter `{name}`{hint}"));
        }
    }
    Ok(required)
}

/// Returns whether the text starts with the two digits of a percent-encoded byte.
fn starts_with_hex_digits(text: &str) -> bool {
    text.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

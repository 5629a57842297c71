//! The host that a request is for (RFC 9112 section 3.2).

use axum::http::{HeaderMap, HeaderValue, Uri, Version, header, uri::Authority};

use super::problem::Problem;

/// Checks `Host`. HTTP/1.1 requires exactly one. HTTP/2 has the pseudo-header `:authority` instead, and HTTP/1.0
/// needs neither.
///
/// # Errors
/// Returns a 400 problem if the header is missing, repeated or invalid.
pub fn check(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_valid(host) => Ok(()),
        (Some(_), None) => Err(Problem::malformed("Host is invalid: send a host name and an optional port")),
        (Some(_), Some(_)) => Err(Problem::malformed("Host must be sent only once")),
        (None, _) if version == Version::HTTP_11 => {
            Err(Problem::malformed("Host is missing: HTTP/1.1 requires the header"))
        }
        (None, _) => Ok(()),
    }
}

/// Returns the host, and the port if there is one, that a request is for: `:authority` on HTTP/2, otherwise `Host`.
/// Returns `None` if the client sent neither.
pub fn requested<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = || headers.get(header::HOST)?.to_str().ok();
    uri.authority().map(Authority::as_str).or_else(host)
}

/// Splits a host into its name and its port, which is `None` if it is missing or empty.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    // The colons of an IPv6 address are in brackets.
    let name_end = host.rfind(']').unwrap_or(0);
    let Some(colon) = host[name_end..].find(':') else {
        return (host, None);
    };
    let (name, port) = host.split_at(name_end + colon);
    (name, Some(&port[1..]).filter(|port| !port.is_empty()))
}

/// Returns whether the value is a host with an optional port. An empty value is valid too: clients send it for
/// an address without a host.
fn is_valid(host: &HeaderValue) -> bool {
    if host.is_empty() || is_plain(host.as_bytes()) {
        return true;
    }
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    // `Authority` also accepts user information, and it accepts any text as a port.
    let (text, name) = (authority.as_str(), authority.host());
    let port =
        text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':').or(rest.is_empty().then_some("")));
    port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether the value consists of letters, digits, dots and hyphens, and an optional port. Most hosts do,
/// and need no further look.
fn is_plain(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let (name, port) = host.split_at(colon);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.iter().all(is_name) && port.iter().skip(1).all(u8::is_ascii_digit)
}

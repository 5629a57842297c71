//! Hosts that a listener serves, as a protection against DNS rebinding.
//!
//! A page of `evil.example` can make this name resolve to the server's address. The browser then takes the server for
//! the page's own origin, and only the host of the request shows the attack.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use url::Host;

use super::{host::split_port, problem::Problem};

/// A host name, or all subdomains of a host name.
#[derive(Clone, Debug)]
pub struct HostPattern {
    /// Name in lower case. It starts with a dot if it stands for all subdomains.
    text: String,
}

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str =
            "must be a host name such as shop.example, or *.shop.example for all subdomains, without a port";
        let (prefix, name) = text.trim().strip_prefix("*.").map_or(("", text.trim()), |name| (".", name));
        match Host::parse(name) {
            Ok(host) if !name.contains('*') => Ok(Self { text: format!("{prefix}{host}") }),
            _ => Err(RULE),
        }
    }
}

impl HostPattern {
    fn matches(&self, name: &str) -> bool {
        let is_suffix = || {
            let start = name.len().checked_sub(self.text.len());
            start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(&self.text))
        };
        if self.text.starts_with('.') { is_suffix() } else { name.eq_ignore_ascii_case(&self.text) }
    }
}

/// Hosts that a listener serves.
#[derive(Clone, Debug)]
pub struct AllowedHosts {
    /// Whether the listener's address is a loopback address.
    is_loopback: bool,
    patterns: Vec<HostPattern>,
}

impl AllowedHosts {
    /// Returns the hosts of a listener on `address`: on a loopback address, loopback hosts and those in `patterns`; on any
    /// other address, all hosts if `patterns` is empty.
    pub fn new(address: IpAddr, patterns: &[HostPattern]) -> Self {
        Self { is_loopback: address.to_canonical().is_loopback(), patterns: patterns.to_vec() }
    }

    /// Checks the host of a request, which may have a port. A request without a host is allowed, because no browser sends
    /// it.
    ///
    /// # Errors
    /// Returns a 421 problem if the listener does not serve the host.
    pub fn check(&self, host: Option<&str>) -> Result<(), Problem> {
        if !self.is_loopback && self.patterns.is_empty() {
            return Ok(());
        }
        let (name, _) = split_port(host.unwrap_or_default());
        if name.is_empty() || self.contains(name) { Ok(()) } else { Err(Problem::misdirected(name)) }
    }

    fn contains(&self, name: &str) -> bool {
        // A name with a final dot is absolute, but otherwise the same.
        let name = name.strip_suffix('.').unwrap_or(name);
        is_loopback_address(name)
            || (self.is_loopback && is_localhost(name))
            || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// Returns whether a host is an address in 127.0.0.0/8, or `[::1]`. No page can have such a host by DNS rebinding.
fn is_loopback_address(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .and_then(|address| address.parse::<Ipv6Addr>().ok())
            .is_some_and(|address| address.is_loopback()),
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// Returns whether a name always resolves to a loopback address (RFC 6761 section 6.3).
fn is_localhost(name: &str) -> bool {
    const LOCALHOST: &str = "localhost";
    let Some(start) = name.len().checked_sub(LOCALHOST.len()) else {
        return false;
    };
    let is_label_start = start == 0 || name.as_bytes()[start - 1] == b'.';
    is_label_start && name.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(listener: &str, patterns: &[&str], host: &str) -> bool {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        AllowedHosts::new(listener.parse().unwrap(), &patterns).check(Some(host)).is_ok()
    }

    #[test]
    fn loopback_listeners_serve_loopback_hosts() {
        let loopback = [
            "",
            "localhost",
            "LOCALHOST:80",
            "a.localhost",
            "localhost.",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:80",
        ];
        let foreign = [
            "evil.example",
            "notlocalhost",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0:8000",
            "10.0.0.1",
            "[::]",
            "[::1",
            "é.localhosts",
        ];
        for listener in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(loopback.iter().all(|host| is_allowed(listener, &[], host)), "{listener}");
            for host in foreign {
                assert!(!is_allowed(listener, &[], host), "{listener} {host}");
            }
            assert!(is_allowed(listener, &["shop.example"], "shop.example:80"));
            assert!(is_allowed(listener, &["shop.example"], "localhost"));
        }
        assert!(foreign.iter().all(|host| is_allowed("0.0.0.0", &[], host)));
    }

    #[test]
    fn other_listeners_serve_the_hosts_in_the_setting() {
        let patterns =
            ["Shop.example", "*.shop.example", "*.b.example", "größe.example", "10.0.0.7", "[2001:db8::7]"];
        for host in [
            "shop.example",
            "SHOP.example:8000",
            "shop.example.",
            "a.shop.example",
            "a.b.example",
            "c.a.b.example",
            "xn--gre-6ka8i.example",
            "10.0.0.7:80",
            "[2001:db8::7]:80",
            "127.0.0.1",
            "[::1]:8000",
            "",
        ] {
            assert!(is_allowed("0.0.0.0", &patterns, host), "{host}");
        }
        for host in
            ["b.example", "ashop.example", "b.example.evil", "localhost", "10.0.0.8", "éb.example", "."]
        {
            assert!(!is_allowed("0.0.0.0", &patterns, host), "{host}");
        }
    }

    #[test]
    fn patterns_that_match_no_host_are_rejected() {
        for text in ["", "*", "*.", "a.*.b", "*a.b", "a:80", "http://a", "a/b", "a b", "::1", "a@b"] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}

//! Address of the client, which proxies report.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Header in which proxies report the address of their client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// Proxies whose reports are believed. Anybody else could report any address.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    pub networks: Vec<IpNet>,
    pub header: ProxyHeader,
}

impl TrustedProxies {
    /// Returns the address of the client: the last address in the header, read from its end, that is not a trusted
    /// proxy. `peer` is the other end of the connection.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.networks.is_empty() {
            return client;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => header::FORWARDED,
        };
        let lines: Vec<_> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        let reports = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for report in reports {
            if !self.trusts(client) {
                break;
            }
            let node = match self.header {
                ProxyHeader::XForwardedFor => Some(report),
                ProxyHeader::Forwarded => forwarded_for(report),
            };
            match node.and_then(parse_node) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    /// Returns whether the peer's request ids and traces are used: those of trusted proxies or, if no proxy is
    /// configured, those of programs on the same machine.
    pub fn trusts_ids(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        if self.networks.is_empty() { peer.is_loopback() } else { self.trusts(peer) }
    }

    /// Returns whether the address belongs to a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Returns the value of the parameter `for` in an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut parameters = element.split(';').filter_map(|parameter| parameter.split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

/// Parses an address with an optional port; an IPv6 address with a port has brackets. Returns `None` for other text,
/// such as `unknown`.
fn parse_node(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let without_port = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // Only one colon separates a port. An IPv6 address has more.
        None if node.matches(':').count() == 1 => node.split_once(':')?.0,
        None => node,
    };
    without_port.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &TrustedProxies, peer: &str, name: &'static str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        proxies.client_address(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).to_vec();
        let proxies = TrustedProxies { networks: networks.clone(), header: ProxyHeader::XForwardedFor };
        for (peer, lines, expected) in [
            ("10.0.0.1", &[][..], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("::ffff:10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.7, 10.0.0.2", "10.0.0.3"], "203.0.113.7"),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("203.0.113.9", &["1.1.1.1"], "203.0.113.9"),
        ] {
            assert_eq!(client(&proxies, peer, "x-forwarded-for", lines), expected, "{peer} {lines:?}");
            assert_eq!(client(&proxies, peer, "forwarded", &["for=1.1.1.1"]).parse(), Ok(proxies_peer(peer)));
        }
        let proxies = TrustedProxies { networks, header: ProxyHeader::Forwarded };
        for (line, expected) in [
            ("for=203.0.113.7;proto=https", "203.0.113.7"),
            ("proto=https; For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
            ("by=1.1.1.1", "10.0.0.1"),
        ] {
            assert_eq!(client(&proxies, "10.0.0.1", "forwarded", &[line]), expected, "{line}");
        }
        assert_eq!(
            client(&TrustedProxies::default(), "10.0.0.1", "x-forwarded-for", &["1.1.1.1"]),
            "10.0.0.1"
        );
    }

    fn proxies_peer(peer: &str) -> IpAddr {
        peer.parse::<IpAddr>().unwrap().to_canonical()
    }
}

//! Limits the number of connections, in all and for each address.

use std::net::IpAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::http::{
    client_address::TrustedProxies,
    limits::{
        Limit,
        budget::{Budget, Reservation},
    },
};

/// File descriptors that are not for connections of clients: the database, files and the standard streams.
const RESERVED_DESCRIPTORS: u64 = 64;

/// Limits of one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    connections: Budget,
    proxies: TrustedProxies,
}

impl ConnectionLimits {
    /// Allows `total` connections, of which the network of one address may have `per_address`. Loopback and proxies,
    /// which have the clients of many addresses, have no limit of their own.
    pub fn new(total: u64, per_address: u64, proxies: TrustedProxies) -> Self {
        Self { connections: Budget::new(Limit::Connections, total, per_address), proxies }
    }

    /// Returns the reservation of a connection, or `None` if there are too many.
    pub fn reserve(&self, peer: IpAddr) -> Option<Reservation> {
        let peer = peer.to_canonical();
        let is_exempt = peer.is_loopback() || self.proxies.trusts(peer);
        self.connections.reserve_for_network((!is_exempt).then_some(peer)).ok()
    }
}

/// Returns the number of connections that a limit of file descriptors allows. `others` is the number of database
/// connections.
pub fn connections_within(descriptors: Option<u64>, others: u32) -> u64 {
    descriptors.unwrap_or(u64::MAX).saturating_sub(RESERVED_DESCRIPTORS + u64::from(others)).max(1)
}

/// Returns the number of connections that the process can have open: `wanted`, or what its file descriptors allow.
/// Raises the soft limit of file descriptors to the hard one, because many systems set the soft one to 1,024.
/// `others` is the number of database connections.
pub fn possible_connections(wanted: u32, others: u32) -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        warn!(%error, "cannot raise the limit of file descriptors");
    }
    let possible = connections_within(getrlimit(Resource::Nofile).current, others);
    if possible < wanted.into() {
        warn!(possible, "fewer connections than STOCKMETER_CONNECTIONS: raise the limit of file descriptors");
    }
    possible.min(wanted.into())
}

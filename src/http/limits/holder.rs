//! Holders of shares: callers with a token, and networks of callers without one.

use std::net::IpAddr;

use crate::domain::{self, Caller, Identity, Scope};

/// Holder of a share.
#[derive(Clone, Copy, Hash)]
pub enum Holder<'a> {
    Identity(&'a Identity),
    Network(IpAddr),
}

/// Returns the holder of a caller's share; `None` is a caller that was not authenticated. Returns `None` if the share is
/// not limited: for programs on the same machine, while everybody may do everything.
pub fn of_caller(caller: Option<&Caller>, address: IpAddr) -> Option<Holder<'_>> {
    let may_do_all = caller.is_none_or(|caller| caller.scopes().contains(Scope::Admin));
    match caller.map(Caller::identity) {
        None | Some(Identity::Anonymous) if address.is_loopback() && may_do_all => None,
        _ => Some(of_any_caller(caller, address)),
    }
}

/// Returns the holder of a caller's share, also for programs on the same machine.
pub fn of_any_caller(caller: Option<&Caller>, address: IpAddr) -> Holder<'_> {
    match caller.map(Caller::identity) {
        None | Some(Identity::Anonymous) => of_address(address),
        Some(identity) => Holder::Identity(identity),
    }
}

/// Returns the holder of the share of an address.
pub fn of_address(address: IpAddr) -> Holder<'static> {
    Holder::Network(domain::network(address))
}

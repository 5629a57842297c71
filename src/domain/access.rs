//! Callers and their permissions.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
    time::SystemTime,
};

use super::{Error, TokenId};

/// Permission that an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Permission to read products and changes.
    Read,
    /// Permission to change products; includes [`Scope::Read`].
    Write,
    /// Permission to delete products by filter, and to replace products by importing a file; includes
    /// [`Scope::Write`].
    Admin,
    /// Permission to read metrics.
    Metrics,
}

impl Scope {
    const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Metrics];

    /// Returns the name in settings, tokens and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }

    /// Returns the scopes that this scope consists of, as bits.
    fn bits(self) -> u8 {
        match self {
            Self::Read => 0b0001,
            Self::Write => 0b0011,
            Self::Admin => 0b0111,
            Self::Metrics => 0b1000,
        }
    }
}

/// Returns the network of an address, by which clients are distinguished. A client usually has all IPv6 addresses of a /64.
pub fn network(address: IpAddr) -> IpAddr {
    const HOSTS: u128 = u64::MAX as u128;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !HOSTS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Set of scopes. Its text is a list of names separated by commas, or `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Every scope.
    pub const ALL: Self = Self(0b1111);
    /// No scope.
    pub const NONE: Self = Self(0);

    /// Returns the scopes whose names are in a list. Ignores other names, which may belong to other servers.
    pub fn from_known_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        names.filter_map(|name| name.parse().ok()).fold(Self::NONE, Self::union)
    }

    /// Returns whether the set contains a scope.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bits() == scope.bits()
    }

    /// Returns this set without [`Scope::Metrics`].
    #[must_use]
    pub fn without_metrics(self) -> Self {
        Self(self.0 & !Scope::Metrics.bits())
    }

    fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.bits())
    }
}

impl FromStr for Scopes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let mut scopes = Self::NONE;
        for name in text.split(',').map(str::trim) {
            let scope = Scope::ALL.into_iter().find(|scope| scope.name() == name);
            let rule = "must be read, write, admin or metrics, or several of them separated by commas";
            scopes = scopes.union(scope.ok_or_else(|| Error::invalid("scope", rule))?.into());
        }
        Ok(scopes)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest =
            [Scope::Admin, Scope::Write, Scope::Read].into_iter().find(|scope| self.contains(*scope));
        let metrics = self.contains(Scope::Metrics).then_some(Scope::Metrics);
        match (widest, metrics) {
            (Some(widest), Some(metrics)) => write!(f, "{},{}", widest.name(), metrics.name()),
            (Some(scope), None) | (None, Some(scope)) => f.write_str(scope.name()),
            (None, None) => f.write_str("none"),
        }
    }
}

/// Client that sends a request. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    identity: Identity,
    scopes: Scopes,
    expires_at: Option<SystemTime>,
}

/// Maximum length of a subject in logs.
const MAX_SHOWN_CHARS: usize = 100;

/// Identity of a caller. Its text appears in logs; that of a subject is shortened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Caller without credentials.
    Anonymous,
    /// Holder of an API token.
    Token(TokenId),
    /// Holder of the token in `STOCKMETER_METRICS_TOKEN`.
    MetricsToken,
    /// Subject of a JSON Web Token. The issuer is empty if the token does not name it.
    Subject { issuer: String, subject: String },
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Token(id) => write!(f, "token:{id}"),
            Self::MetricsToken => f.write_str("metrics-token"),
            Self::Subject { subject, .. } => {
                let shown = subject.chars().filter(|char| !char.is_control()).take(MAX_SHOWN_CHARS);
                write!(f, "jwt:{}", shown.collect::<String>())
            }
        }
    }
}

impl Default for Caller {
    /// Returns a caller without credentials and without scopes.
    fn default() -> Self {
        Self::anonymous(Scopes::NONE)
    }
}

impl Caller {
    /// Creates a caller. `expires_at` is `None` if its credentials do not expire.
    pub fn new(identity: Identity, scopes: Scopes, expires_at: Option<SystemTime>) -> Self {
        Self(Arc::new(Inner { identity, scopes, expires_at }))
    }

    /// Returns a caller without credentials.
    pub fn anonymous(scopes: Scopes) -> Self {
        Self::new(Identity::Anonymous, scopes, None)
    }

    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// Returns the time at which the credentials expire, or `None` if they do not expire.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at
    }

    /// Checks that the caller has a scope.
    ///
    /// # Errors
    /// Returns [`Error::Unauthorized`] for a caller without credentials, otherwise [`Error::Forbidden`].
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        match (self.0.scopes.contains(scope), &self.0.identity) {
            (true, _) => Ok(()),
            (false, Identity::Anonymous) => Err(Error::Unauthorized),
            (false, _) => Err(Error::Forbidden(scope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_include_the_narrower_ones() {
        for (text, contained) in [
            ("none", &[][..]),
            ("read", &[Scope::Read]),
            ("write", &[Scope::Read, Scope::Write]),
            ("admin", &[Scope::Read, Scope::Write, Scope::Admin]),
            ("metrics", &[Scope::Metrics]),
            ("write,metrics", &[Scope::Read, Scope::Write, Scope::Metrics]),
        ] {
            let scopes: Scopes = text.parse().unwrap();
            for scope in Scope::ALL {
                assert_eq!(scopes.contains(scope), contained.contains(&scope), "{text} {scope:?}");
            }
            assert_eq!(scopes.to_string(), text);
        }
        for text in ["", "reads", "READ", "read;write", "none,read"] {
            assert!(text.parse::<Scopes>().is_err(), "{text}");
        }
    }
}

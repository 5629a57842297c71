//! Servers of the database that reads ask, and positions in their logs.

use std::fmt;

/// Server that a read asks. Without a replica, every read asks the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The primary, which has every change.
    Primary,
    /// The primary, or the replica if the primary is unavailable.
    PrimaryOrReplica,
    /// The replica, or the primary if the replica fails.
    Replica,
}

/// Position in PostgreSQL's write-ahead log (WAL). Its text is PostgreSQL's, such as `0/16B3748`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalPosition(u64);

impl WalPosition {
    /// Position that no server reaches.
    pub const MAX: Self = Self(u64::MAX);

    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes before the position.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Parses the text. Returns `None` if it is not two hexadecimal numbers of 32 bits, separated by a slash.
    pub fn parse(text: &str) -> Option<Self> {
        let part = |part: &str| {
            let is_number =
                (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_number.then(|| u64::from_str_radix(part, 16).ok()).flatten()
        };
        let (high, low) = text.split_once('/')?;
        Some(Self(part(high)? << 32 | part(low)?))
    }
}

impl fmt::Display for WalPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

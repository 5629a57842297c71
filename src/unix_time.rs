//! Times in seconds since 1970 (UTC).

use std::time::SystemTime;

/// Returns the current time.
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

//! Parsers of settings that are times.

use std::time::Duration;

/// Longest accepted time, 100 years of 365.25 days. Instants so far in the future can still be computed.
const MAX: Duration = Duration::from_hours(100 * 8766);

/// Parses a number with a unit, such as `10s`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > MAX { Err("must be at most 100 years".to_owned()) } else { Ok(time) }
}

/// Parses a time that must not be zero.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    let time = parse(text)?;
    if time.is_zero() { Err("must be longer than 0s".to_owned()) } else { Ok(time) }
}

/// Parses the time for which rows are kept.
pub fn parse_retention(text: &str) -> Result<Duration, String> {
    let retention = parse(text)?;
    if retention < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(retention) }
}

/// Parses the interval of a background task.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse(text)?;
    if interval < Duration::from_millis(100) {
        Err("must be at least 100ms".to_owned())
    } else {
        Ok(interval)
    }
}

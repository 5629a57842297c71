//! Parser of settings that are rates.

use std::time::Duration;

use crate::http::limits::request_rate::Rate;

/// Largest accepted number. For larger ones, the interval between two requests would be less precise.
const MAX: u32 = 1_000_000;

/// Parses a number with a unit of time, such as `100/s`.
pub fn parse(text: &str) -> Result<Rate, String> {
    let (requests, unit) = text.split_once('/').unwrap_or_default();
    let seconds = match unit.trim() {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => {
            return Err(
                "must be a number per second, minute or hour, such as 100/s, 600/min or 5000/h".to_owned()
            );
        }
    };
    match requests.trim().parse() {
        Ok(requests @ 1..=MAX) => Ok(Rate { requests, period: Duration::from_secs(seconds) }),
        _ => Err(format!("the number of requests must be 1 to {MAX}")),
    }
}

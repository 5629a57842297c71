//! Which of several media types a client prefers (RFC 9110 section 12.5.1).

use axum::http::{HeaderMap, header};

/// The first of those that weigh the most in `Accept`, among the ranges that are `known`; none where the client does
/// not say, or wants nothing that there is.
pub fn negotiate<T>(headers: &HeaderMap, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let fields = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let ranges = fields.flat_map(|field| field.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let known = known(&parts.next()?.to_ascii_lowercase())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((known, weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0))))
    });
    let best = ranges.fold(
        (None, 0.0),
        |best, (known, weight)| {
            if weight > best.1 { (Some(known), weight) } else { best }
        },
    );
    best.0
}

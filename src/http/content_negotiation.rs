//! Choice of the response's media type from `Accept` (RFC 9110 section 12.5.1).

use axum::http::{HeaderMap, header};

/// Returns the value for the media range with the highest weight. If several ranges have this weight, the
/// first one counts. Returns `None` if there is no `Accept`, or if all its ranges are unknown or have the
/// weight 0.
///
/// `recognize` receives a media range in lower case. It returns the value for this range, or `None` if the
/// range is unknown.
pub fn negotiate<T>(headers: &HeaderMap, recognize: impl Fn(&str) -> Option<T>) -> Option<T> {
    let fields = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let ranges = fields.flat_map(|field| field.split(',')).filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let value = recognize(&parts.next()?.to_ascii_lowercase())?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((value, weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0))))
    });
    let best = ranges.fold(
        (None, 0.0),
        |best, (value, weight)| {
            if weight > best.1 { (Some(value), weight) } else { best }
        },
    );
    best.0
}

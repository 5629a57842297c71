//! Parser of the setting `cors_origins`.

use axum::http::HeaderValue;
use url::{Position, Url};

const RULE: &str = "must be * or an origin such as https://shop.example.com, without a path";

/// Parses `*`, or an origin exactly as browsers send it. Any other text would match no request.
///
/// # Errors
/// Returns a message if no browser sends the text as an origin.
pub fn parse(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim();
    if text.contains('@') {
        return Err(RULE.to_owned());
    }
    if text != "*" {
        let origin = Url::parse(text).ok().and_then(|url| serialize(&url)).ok_or(RULE)?;
        if origin.contains('*') {
            return Err("must not contain wildcards: list each origin".to_owned());
        }
        if origin != text {
            return Err(format!("matches no request: browsers send {origin}"));
        }
    }
    HeaderValue::from_str(text).map_err(|_| RULE.to_owned())
}

/// Returns the origin of a URL as browsers send it, or `None` if they send no such origin.
fn serialize(url: &Url) -> Option<String> {
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        // Browsers send `null` for files, and the origin of the page for these protocols.
        "file" | "ftp" | "ws" | "wss" => None,
        // Extensions and apps have schemes of their own, whose origins the URL standard does not define.
        _ => url.host_str().filter(|host| !host.is_empty()).map(|_| url[..Position::AfterPort].to_owned()),
    }
}

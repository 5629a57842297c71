//! Policies of the playground's pages (`Content-Security-Policy`). They may call the server, but no other page may frame
//! them.

use axum::http::HeaderValue;
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// Policy of the embedded page. Its editor creates style sheets and runs in workers. Its fonts are in its style sheet.
const EMBEDDED: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; \
    font-src data:; img-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Returns the policy of the embedded page.
pub fn embedded() -> HeaderValue {
    EMBEDDED
}

/// Returns the policy of a page that loads scripts and style sheets from a CDN. It allows only the addresses and
/// the inline scripts of the page itself.
pub fn of_cdn_page(html: &str) -> HeaderValue {
    let scripts = addresses(html, "src").chain(inline_scripts(html).map(hash));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline' {}; font-src data:; img-src data:; \
        connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        scripts.collect::<Vec<_>>().join(" "),
        addresses(html, "href").collect::<Vec<_>>().join(" "),
    );
    // A page whose addresses are no valid header may load nothing.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Returns the addresses of other servers in an attribute.
fn addresses(html: &str, attribute: &str) -> impl Iterator<Item = String> {
    let values =
        html.split(&format!("{attribute}=\"https://")).skip(1).map(str::to_owned).collect::<Vec<_>>();
    values.into_iter().filter_map(|rest| Some(format!("https://{}", rest.split_once('"')?.0)))
}

fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script>").skip(1).filter_map(|rest| Some(rest.split_once("</script>")?.0))
}

/// Returns the hash that identifies an inline script.
fn hash(script: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_a_cdn_page_allows_only_its_own_parts() {
        let html = r#"<link rel="icon" href="data:,"><link href="https://b.example/c.css"/>
            <script src="https://b.example/d.js"></script><script>alert(1)</script>"#;
        let policy = of_cdn_page(html);
        let policy = policy.to_str().unwrap();
        for part in [
            "script-src https://b.example/d.js 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';",
            "style-src 'unsafe-inline' https://b.example/c.css;",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
    }
}

//! Query strings, whose percent-encoded values must be UTF-8.

use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// Checks that all parameters are UTF-8. Parsers of forms would replace invalid bytes without an error.
///
/// # Errors
/// Returns a 400 problem that names the parameter.
pub fn check_utf8(query: Option<&str>) -> Result<(), Problem> {
    let mut parameters = query.unwrap_or_default().split('&');
    let Some(invalid) = parameters.find(|parameter| percent_decode_str(parameter).decode_utf8().is_err())
    else {
        return Ok(());
    };
    let name = invalid.split('=').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    Err(Problem::malformed(format!("the parameter {name} is not UTF-8: encode its value as UTF-8")))
}

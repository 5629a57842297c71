//! Parses ids in requests for existing products.

use entity::ProductId;

use super::Error;

/// Parses the id of an existing product.
///
/// # Errors
/// Returns [`Error::Invalid`] if the text is not a whole number. Returns [`Error::NotFound`] if the number is
/// out of the range of ids.
pub fn parse_product_id(text: &str) -> Result<ProductId, Error> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid("id", "must be a whole number"));
    }
    text.parse().map_err(|_| Error::NotFound(text.to_owned()))
}

//! Validation of the fields of a product.

use entity::{Amount, Name, Price, ProductId};

use super::draft::{Draft, Validator, Value};

/// Valid values of all fields that a client sends, except the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductFields {
    pub name: Name,
    /// Price of one item.
    pub price: Price,
    /// Number of items in stock.
    pub amount: Amount,
}

impl ProductFields {
    /// Validates a draft in which all fields but the id are required. Adds an error for each invalid field,
    /// and returns `None` if there is one.
    pub(super) fn validate(validator: &mut Validator, draft: &Draft) -> Option<Self> {
        let name = validator.required("name", &draft.name);
        let price = validator.required("price", &draft.price);
        let amount = validator.required("amount", &draft.amount);
        Some(Self { name: name?, price: price?, amount: amount? })
    }
}

/// Returns the id chosen by the client, or `None` if it is missing or invalid. Null counts as missing, as in
/// the legacy service.
pub(super) fn client_id(validator: &mut Validator, draft: &Draft) -> Option<ProductId> {
    if draft.id == Value::Null { None } else { validator.optional("id", &draft.id) }
}

/// Adds an error if the draft has an id other than `id`.
pub(super) fn require_same_id(validator: &mut Validator, id: ProductId, draft: &Draft) {
    if client_id(validator, draft).is_some_and(|sent| sent != id) {
        validator.error("id", "must match the id in the path or be omitted");
    }
}

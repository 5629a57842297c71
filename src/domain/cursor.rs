//! Cursors: positions in sorted lists.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::ProductId;

use super::{Product, SortColumn, SortDirection, SortOrder};

/// Position of a product in a sort order, opaque to clients. It holds the values of the sort fields, so it
/// remains valid if the product is changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: SortOrder,
    id: ProductId,
    name: String,
    price: i64,
    amount: i32,
}

/// Value of a sort field in a cursor. Clients can change it, so only the id is guaranteed to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorValue<'a> {
    Id(ProductId),
    Name(&'a str),
    /// Price in ten-thousandths.
    Price(i64),
    /// Number of items in stock.
    Amount(i32),
}

impl Cursor {
    /// Creates the cursor of a product in a sort order.
    pub fn new(product: &Product, order: &SortOrder) -> Self {
        let Product { id, name, price, amount, version: _ } = product;
        Self {
            order: order.clone(),
            id: *id,
            name: if order.sorts_by(SortColumn::Name) { name.as_str().to_owned() } else { String::new() },
            price: if order.sorts_by(SortColumn::Price) { price.ten_thousandths() } else { 0 },
            amount: if order.sorts_by(SortColumn::Amount) { amount.get() } else { 0 },
        }
    }

    /// Returns the value of a field, which is meaningful only if the order contains the field.
    pub fn value(&self, column: SortColumn) -> CursorValue<'_> {
        match column {
            SortColumn::Id => CursorValue::Id(self.id),
            SortColumn::Name => CursorValue::Name(&self.name),
            SortColumn::Price => CursorValue::Price(self.price),
            SortColumn::Amount => CursorValue::Amount(self.amount),
        }
    }

    /// Encodes the cursor as text for clients.
    pub fn encode(&self) -> String {
        let Self { order, id, name, price, amount } = self;
        let order = encode_order(order);
        BASE64_URL_SAFE_NO_PAD.encode(format!("{order} {id} {price} {amount} {name}"))
    }

    /// Decodes a cursor. Returns `None` if the text is invalid or belongs to another sort order.
    pub fn decode(text: &str, order: &SortOrder) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.splitn(5, ' ');
        if parts.next()? != encode_order(order) {
            return None;
        }
        let cursor = Self {
            order: order.clone(),
            id: parts.next()?.parse().ok()?,
            price: parts.next()?.parse().ok()?,
            amount: parts.next()?.parse().ok()?,
            name: parts.next()?.to_owned(),
        };
        // PostgreSQL rejects NUL, and no valid name contains it.
        (!cursor.name.contains('\0')).then_some(cursor)
    }
}

/// Encodes a sort order. The encoding must never change, because clients keep cursors.
fn encode_order(order: &SortOrder) -> String {
    let keys = order.keys().iter().map(|key| {
        let column = match key.column {
            SortColumn::Id => "Id",
            SortColumn::Name => "Name",
            SortColumn::Price => "Price",
            SortColumn::Amount => "Amount",
        };
        let sign = if key.direction == SortDirection::Descending { "-" } else { "" };
        format!("{sign}{column}")
    });
    keys.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SortKey;

    fn order(keys: &[(SortColumn, SortDirection)]) -> SortOrder {
        SortOrder::new(keys.iter().map(|&(column, direction)| SortKey { column, direction })).unwrap()
    }

    fn product() -> Product {
        Product {
            id: 7.try_into().unwrap(),
            name: "Blue  lamp".parse().unwrap(),
            price: "19.5".parse().unwrap(),
            amount: "3".parse().unwrap(),
            version: entity::Version::first(1),
        }
    }

    #[test]
    fn encoded_cursors_keep_their_text() {
        use SortColumn::{Amount, Id, Name, Price};
        use SortDirection::{Ascending, Descending};
        for (order, text) in [
            (SortOrder::default(), "Id 7 0 0 "),
            (order(&[(Id, Descending), (Name, Ascending)]), "-Id 7 0 0 "),
            (order(&[(Price, Ascending), (Name, Descending)]), "Price,-Name,Id 7 195000 0 Blue  lamp"),
            (order(&[(Amount, Descending), (Id, Descending)]), "-Amount,-Id 7 0 3 "),
        ] {
            let cursor = Cursor::new(&product(), &order);
            assert_eq!(cursor.encode(), BASE64_URL_SAFE_NO_PAD.encode(text));
            assert_eq!(Cursor::decode(&cursor.encode(), &order), Some(cursor));
        }
    }

    #[test]
    fn a_cursor_belongs_to_one_order() {
        let cursor = Cursor::new(&product(), &SortOrder::default()).encode();
        let other = order(&[(SortColumn::Id, SortDirection::Descending)]);
        assert_eq!(Cursor::decode(&cursor, &other), None);
    }
}

//! Sort orders of product lists, and cursors into them.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{ProductId, product};
use sea_orm::{ColumnTrait, Condition, Order as Direction, Value as SqlValue};

use super::{Error, Product};

/// Fields to sort by, most significant first. The id breaks ties, which makes the order total.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SortOrder(Vec<SortKey>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SortKey {
    column: SortColumn,
    descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SortColumn {
    Id,
    Name,
    Price,
    Amount,
}

impl SortOrder {
    /// Parses an order such as `price,-name`: by ascending price, then by descending name. Names are
    /// compared by code point.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a field is unknown or listed twice.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut keys: Vec<SortKey> = Vec::new();
        for name in text.split(',') {
            let (descending, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
            let column = match name {
                "id" => SortColumn::Id,
                "name" => SortColumn::Name,
                "price" => SortColumn::Price,
                "amount" => SortColumn::Amount,
                _ => {
                    return Err(Error::invalid(
                        "sort",
                        "must be a list of id, name, price or amount; prefix a field with - for descending order",
                    ));
                }
            };
            if keys.iter().any(|key| key.column == column) {
                return Err(Error::invalid("sort", format!("lists {name} twice")));
            }
            keys.push(SortKey { column, descending });
        }
        Ok(Self(keys))
    }

    /// Returns whether only the id determines the order.
    pub fn is_by_id(&self) -> bool {
        self.keys().all(|key| key.column == SortColumn::Id)
    }

    /// Returns the columns and their directions, the id last. `backwards` reverses the directions.
    pub(super) fn columns(&self, backwards: bool) -> Vec<(product::Column, Direction)> {
        let keys = self.keys().map(|key| {
            let descending = key.descending != backwards;
            (key.column.column(), if descending { Direction::Desc } else { Direction::Asc })
        });
        keys.collect()
    }

    /// Returns the condition that selects the products after the cursor, or before it with `backwards`.
    pub(super) fn seek_condition(&self, cursor: &Cursor, backwards: bool) -> Condition {
        let columns = self.columns(backwards);
        let mut any = Condition::any();
        for (index, (column, direction)) in columns.iter().enumerate() {
            let values = cursor.values(self);
            let mut all = Condition::all();
            for ((equal, _), value) in columns[..index].iter().zip(&values) {
                all = all.add(equal.eq(value.clone()));
            }
            let value = values[index].clone();
            all = all.add(if *direction == Direction::Desc { column.lt(value) } else { column.gt(value) });
            any = any.add(all);
        }
        any
    }

    /// Returns the keys up to the id, which is unique and makes later keys irrelevant.
    fn keys(&self) -> impl Iterator<Item = SortKey> {
        let id = SortKey { column: SortColumn::Id, descending: false };
        let id_index = self.0.iter().position(|key| key.column == SortColumn::Id).unwrap_or(self.0.len());
        let last = self.0.get(id_index).copied().unwrap_or(id);
        self.0[..id_index].iter().copied().chain([last])
    }

    fn to_text(&self) -> String {
        let keys =
            self.keys().map(|key| format!("{}{:?}", if key.descending { "-" } else { "" }, key.column));
        keys.collect::<Vec<_>>().join(",")
    }
}

impl SortColumn {
    fn column(self) -> product::Column {
        match self {
            Self::Id => product::Column::Id,
            Self::Name => product::Column::Name,
            Self::Price => product::Column::Price,
            Self::Amount => product::Column::Amount,
        }
    }
}

/// Position of a product in an order, opaque to clients. It holds the product's values, and so remains valid
/// when the product is changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: String,
    id: ProductId,
    name: String,
    price: i64,
    amount: i32,
}

impl Cursor {
    /// Returns the position of a product in an order.
    pub fn new(product: &Product, order: &SortOrder) -> Self {
        let sorts_by = |column| order.keys().any(|key| key.column == column);
        let Product { id, name, price, amount, version: _ } = product;
        Self {
            order: order.to_text(),
            id: *id,
            name: if sorts_by(SortColumn::Name) { name.as_str().to_owned() } else { String::new() },
            price: if sorts_by(SortColumn::Price) { price.ten_thousandths() } else { 0 },
            amount: if sorts_by(SortColumn::Amount) { amount.get() } else { 0 },
        }
    }

    /// Encodes the cursor for clients.
    pub fn encode(&self) -> String {
        let Self { order, id, name, price, amount } = self;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{order} {id} {price} {amount} {name}"))
    }

    /// Decodes a cursor. Returns `None` if the text is invalid or belongs to another order.
    pub fn decode(text: &str, order: &SortOrder) -> Option<Self> {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.splitn(5, ' ');
        let mut part = || parts.next();
        let cursor = Self {
            order: part()?.to_owned(),
            id: part()?.parse().ok()?,
            price: part()?.parse().ok()?,
            amount: part()?.parse().ok()?,
            name: part()?.to_owned(),
        };
        // PostgreSQL rejects NUL, and no valid name contains it.
        (cursor.order == order.to_text() && !cursor.name.contains('\0')).then_some(cursor)
    }

    fn values(&self, order: &SortOrder) -> Vec<SqlValue> {
        let values = order.keys().map(|key| match key.column {
            SortColumn::Id => self.id.into(),
            SortColumn::Name => self.name.clone().into(),
            SortColumn::Price => self.price.into(),
            SortColumn::Amount => self.amount.into(),
        });
        values.collect()
    }
}

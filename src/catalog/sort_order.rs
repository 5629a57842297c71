//! In which order products are listed, and where in it one stands.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{ProductId, product};
use sea_orm::{ColumnTrait, Condition, Order as Direction, Value as SqlValue};

use super::{Error, Product};

/// Fields to sort by, the first one first; ties are broken by the id, so that every product has its one place.
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
    /// Reads `price,-name`: by price, and among equal prices by name from the last to the first. Names are
    /// compared by code points.
    ///
    /// # Errors
    /// [`Error::Invalid`]: an unknown field, or one that is given twice.
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
                        "must be of id, name, price and amount, - before for descending",
                    ));
                }
            };
            if keys.iter().any(|key| key.column == column) {
                return Err(Error::invalid("sort", format!("names {name} twice")));
            }
            keys.push(SortKey { column, descending });
        }
        Ok(Self(keys))
    }

    /// Whether the id alone decides.
    pub fn is_by_id(&self) -> bool {
        self.keys().all(|key| key.column == SortColumn::Id)
    }

    /// The columns with their directions, the id last; `backwards` from the end.
    pub(super) fn columns(&self, backwards: bool) -> Vec<(product::Column, Direction)> {
        let keys = self.keys().map(|key| {
            let down = key.descending != backwards;
            (key.column.column(), if down { Direction::Desc } else { Direction::Asc })
        });
        keys.collect()
    }

    /// What stands behind a place; with `backwards` what stands before it.
    pub(super) fn seek_condition(&self, place: &Cursor, backwards: bool) -> Condition {
        let columns = self.columns(backwards);
        let mut any = Condition::any();
        for (index, (column, direction)) in columns.iter().enumerate() {
            let values = place.values(self);
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

    /// The keys, and the id behind them. What stands behind the id decides nothing.
    fn keys(&self) -> impl Iterator<Item = SortKey> {
        let id = SortKey { column: SortColumn::Id, descending: false };
        let before = self.0.iter().position(|key| key.column == SortColumn::Id).unwrap_or(self.0.len());
        let last = self.0.get(before).copied().unwrap_or(id);
        self.0[..before].iter().copied().chain([last])
    }

    fn text(&self) -> String {
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

/// The place of a product in an order; opaque to clients. It holds the product's values, so that it stays where
/// it is when the product changes or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: String,
    id: ProductId,
    name: String,
    price: i64,
    amount: i32,
}

impl Cursor {
    /// The place of this product in this order.
    pub fn new(product: &Product, order: &SortOrder) -> Self {
        let sorts_by = |column| order.keys().any(|key| key.column == column);
        let Product { id, name, price, amount, version: _ } = product;
        Self {
            order: order.text(),
            id: *id,
            name: if sorts_by(SortColumn::Name) { name.as_str().to_owned() } else { String::new() },
            price: if sorts_by(SortColumn::Price) { price.ten_thousandths() } else { 0 },
            amount: if sorts_by(SortColumn::Amount) { amount.get() } else { 0 },
        }
    }

    /// As clients see it.
    pub fn encode(&self) -> String {
        let Self { order, id, name, price, amount } = self;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{order} {id} {price} {amount} {name}"))
    }

    /// Reads what [`Cursor::encode`] wrote; `None` where it is of another order, or nothing of ours.
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
        // PostgreSQL refuses NUL, which no name of ours has.
        (cursor.order == order.text() && !cursor.name.contains('\0')).then_some(cursor)
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

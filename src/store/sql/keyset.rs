//! SQL of sort orders, and conditions that continue a list at a cursor.

use entity::product;
use sea_orm::{ColumnTrait, Condition, Order, Value as SqlValue};

use crate::domain::{Cursor, CursorValue, SortColumn, SortDirection, SortKey, SortOrder};

/// Direction in which a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Reading {
    Forwards,
    Backwards,
}

impl Reading {
    fn direction(self, key: SortKey) -> SortDirection {
        match self {
            Self::Forwards => key.direction,
            Self::Backwards => key.direction.reversed(),
        }
    }
}

/// Returns the columns to sort by and their directions. The last column is the id.
pub(in crate::store) fn columns(
    order: &SortOrder,
    reading: Reading,
) -> impl Iterator<Item = (product::Column, Order)> {
    order.keys().iter().map(move |key| {
        let direction = match reading.direction(*key) {
            SortDirection::Ascending => Order::Asc,
            SortDirection::Descending => Order::Desc,
        };
        (column(key.column), direction)
    })
}

/// Returns the condition that selects the products after the cursor. If the list is read backwards, it
/// selects the products before the cursor.
pub(in crate::store) fn seek_condition(order: &SortOrder, cursor: &Cursor, reading: Reading) -> Condition {
    let value = |key: &SortKey| value(cursor.value(key.column));
    let mut any = Condition::any();
    for (index, key) in order.keys().iter().enumerate() {
        let mut all = Condition::all();
        for equal in &order.keys()[..index] {
            all = all.add(column(equal.column).eq(value(equal)));
        }
        let column = column(key.column);
        all = all.add(match reading.direction(*key) {
            SortDirection::Ascending => column.gt(value(key)),
            SortDirection::Descending => column.lt(value(key)),
        });
        any = any.add(all);
    }
    any
}

fn column(column: SortColumn) -> product::Column {
    match column {
        SortColumn::Id => product::Column::Id,
        SortColumn::Name => product::Column::Name,
        SortColumn::Price => product::Column::Price,
        SortColumn::Amount => product::Column::Amount,
    }
}

fn value(value: CursorValue) -> SqlValue {
    match value {
        CursorValue::Id(id) => id.into(),
        CursorValue::Name(name) => name.into(),
        CursorValue::Price(price) => price.into(),
        CursorValue::Amount(amount) => amount.into(),
    }
}

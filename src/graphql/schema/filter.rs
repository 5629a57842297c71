//! Filter and sort order inputs, converted to the catalog's types.

use async_graphql::{Enum, ID, InputObject};

use super::scalars::Decimal;
use crate::catalog::{Error, Filter, SortOrder};

/// Conditions on products. A product must match all of them.
#[derive(Default, InputObject)]
pub struct ProductFilter {
    /// Conditions on the ID.
    id: Option<IdFilter>,
    /// Conditions on the name. Case is ignored for the letters A to Z only.
    name: Option<NameFilter>,
    /// Conditions on the price.
    price: Option<DecimalFilter>,
    /// Conditions on the amount.
    amount: Option<IntFilter>,
}

/// Conditions on an ID.
#[derive(InputObject)]
pub struct IdFilter {
    /// Equal to this ID.
    eq: Option<ID>,
    /// Greater than this ID.
    gt: Option<ID>,
    /// Greater than or equal to this ID.
    gte: Option<ID>,
    /// Less than this ID.
    lt: Option<ID>,
    /// Less than or equal to this ID.
    lte: Option<ID>,
    /// One of these IDs, at most 1000.
    r#in: Option<Vec<ID>>,
}

/// Conditions on a name.
#[derive(InputObject)]
pub struct NameFilter {
    /// Equal to this text.
    eq: Option<String>,
    /// Contains this text.
    contains: Option<String>,
    /// Starts with this text.
    prefix: Option<String>,
}

/// Conditions on a decimal number.
#[derive(InputObject)]
pub struct DecimalFilter {
    /// Equal to this number.
    eq: Option<Decimal>,
    /// Greater than this number.
    gt: Option<Decimal>,
    /// Greater than or equal to this number.
    gte: Option<Decimal>,
    /// Less than this number.
    lt: Option<Decimal>,
    /// Less than or equal to this number.
    lte: Option<Decimal>,
    /// One of these numbers, at most 1000.
    r#in: Option<Vec<Decimal>>,
}

/// Conditions on an integer.
#[derive(InputObject)]
pub struct IntFilter {
    /// Equal to this number.
    eq: Option<i32>,
    /// Greater than this number.
    gt: Option<i32>,
    /// Greater than or equal to this number.
    gte: Option<i32>,
    /// Less than this number.
    lt: Option<i32>,
    /// Less than or equal to this number.
    lte: Option<i32>,
    /// One of these numbers, at most 1000.
    r#in: Option<Vec<i32>>,
}

/// Adds the conditions on a numeric field to the filter, with each value converted to text.
macro_rules! add_numeric_conditions {
    ($filter:ident, $field:literal, $conditions:expr, $to_text:expr) => {
        if let Some(conditions) = $conditions {
            let comparisons = [
                ("eq", conditions.eq),
                ("gt", conditions.gt),
                ("gte", conditions.gte),
                ("lt", conditions.lt),
                ("lte", conditions.lte),
            ];
            for (operator, value) in comparisons {
                if let Some(value) = value {
                    $filter.add($field, operator, &[&$to_text(value)])?;
                }
            }
            if let Some(values) = conditions.r#in {
                let values: Vec<String> = values.into_iter().map($to_text).collect();
                $filter.add($field, "in", &values.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
        }
    };
}

impl ProductFilter {
    /// Converts the conditions to the catalog's filter.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a value is invalid, or if there are too many conditions or values.
    pub fn into_filter(self) -> Result<Filter, Error> {
        let mut filter = Filter::default();
        add_numeric_conditions!(filter, "id", self.id, |ID(id): ID| id);
        add_numeric_conditions!(filter, "price", self.price, |Decimal(price): Decimal| price);
        add_numeric_conditions!(filter, "amount", self.amount, |amount: i32| amount.to_string());
        if let Some(NameFilter { eq, contains, prefix }) = self.name {
            for (operator, value) in [("eq", eq), ("contains", contains), ("prefix", prefix)] {
                if let Some(value) = value {
                    filter.add("name", operator, &[&value])?;
                }
            }
        }
        Ok(filter)
    }
}

/// A field to sort by, and the direction.
#[derive(InputObject)]
pub struct ProductOrder {
    /// Field to sort by.
    field: ProductOrderField,
    /// Sort direction.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// Fields that products can be sorted by.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum ProductOrderField {
    /// Product ID.
    Id,
    /// Name, compared by Unicode code points.
    Name,
    /// Unit price.
    Price,
    /// Units in stock.
    Amount,
}

/// A sort direction.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum OrderDirection {
    /// Ascending.
    Asc,
    /// Descending.
    Desc,
}

/// Converts sort keys, most significant first, to the catalog's sort order.
///
/// # Errors
/// Returns [`Error::Invalid`] if a field is repeated.
pub fn sort_order(orders: &[ProductOrder]) -> Result<SortOrder, Error> {
    if orders.is_empty() {
        return Ok(SortOrder::default());
    }
    let key = |order: &ProductOrder| {
        let name = match order.field {
            ProductOrderField::Id => "id",
            ProductOrderField::Name => "name",
            ProductOrderField::Price => "price",
            ProductOrderField::Amount => "amount",
        };
        if order.direction == OrderDirection::Desc { format!("-{name}") } else { name.to_owned() }
    };
    SortOrder::parse(&orders.iter().map(key).collect::<Vec<_>>().join(","))
}

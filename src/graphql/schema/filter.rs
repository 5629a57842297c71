//! Filters and orders as GraphQL has them, put into the catalog's words.

use async_graphql::{Enum, ID, InputObject};

use super::scalars::Decimal;
use crate::catalog::{Error, Filter, SortOrder};

/// Which products: all the tests that are given have to hold.
#[derive(Default, InputObject)]
pub struct ProductFilter {
    /// Tests of the id.
    id: Option<IdFilter>,
    /// Tests of the name, which take only A to Z and a to z for the same.
    name: Option<NameFilter>,
    /// Tests of the price.
    price: Option<DecimalFilter>,
    /// Tests of the amount.
    amount: Option<IntFilter>,
}

/// Tests of an id.
#[derive(InputObject)]
pub struct IdFilter {
    /// It is this one.
    eq: Option<ID>,
    /// It is above.
    gt: Option<ID>,
    /// It is this one or above.
    gte: Option<ID>,
    /// It is below.
    lt: Option<ID>,
    /// It is this one or below.
    lte: Option<ID>,
    /// It is one of these, at most 1000.
    r#in: Option<Vec<ID>>,
}

/// Tests of a name.
#[derive(InputObject)]
pub struct NameFilter {
    /// It is this.
    eq: Option<String>,
    /// This is somewhere in it.
    contains: Option<String>,
    /// It begins so.
    prefix: Option<String>,
}

/// Tests of a decimal number.
#[derive(InputObject)]
pub struct DecimalFilter {
    /// It is equal.
    eq: Option<Decimal>,
    /// It is greater.
    gt: Option<Decimal>,
    /// It is greater or equal.
    gte: Option<Decimal>,
    /// It is less.
    lt: Option<Decimal>,
    /// It is less or equal.
    lte: Option<Decimal>,
    /// It is one of these, at most 1000.
    r#in: Option<Vec<Decimal>>,
}

/// Tests of a whole number.
#[derive(InputObject)]
pub struct IntFilter {
    /// It is equal.
    eq: Option<i32>,
    /// It is greater.
    gt: Option<i32>,
    /// It is greater or equal.
    gte: Option<i32>,
    /// It is less.
    lt: Option<i32>,
    /// It is less or equal.
    lte: Option<i32>,
    /// It is one of these, at most 1000.
    r#in: Option<Vec<i32>>,
}

/// Adds the tests of numbers, each value as text.
macro_rules! add_numbers {
    ($filter:ident, $field:literal, $tests:expr, $text:expr) => {
        if let Some(tests) = $tests {
            let single = [
                ("eq", tests.eq),
                ("gt", tests.gt),
                ("gte", tests.gte),
                ("lt", tests.lt),
                ("lte", tests.lte),
            ];
            for (test, value) in single {
                if let Some(value) = value {
                    $filter.add($field, test, &[&$text(value)])?;
                }
            }
            if let Some(values) = tests.r#in {
                let values: Vec<String> = values.into_iter().map($text).collect();
                $filter.add($field, "in", &values.iter().map(String::as_str).collect::<Vec<_>>())?;
            }
        }
    };
}

impl ProductFilter {
    /// As the catalog has it.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn filter(self) -> Result<Filter, Error> {
        let mut filter = Filter::default();
        add_numbers!(filter, "id", self.id, |ID(id): ID| id);
        add_numbers!(filter, "price", self.price, |Decimal(price): Decimal| price);
        add_numbers!(filter, "amount", self.amount, |amount: i32| amount.to_string());
        if let Some(NameFilter { eq, contains, prefix }) = self.name {
            for (test, value) in [("eq", eq), ("contains", contains), ("prefix", prefix)] {
                if let Some(value) = value {
                    filter.add("name", test, &[&value])?;
                }
            }
        }
        Ok(filter)
    }
}

/// A field to sort by.
#[derive(InputObject)]
pub struct ProductOrder {
    /// Which one.
    field: ProductOrderField,
    /// In which direction.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

/// The fields that products can be sorted by.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum ProductOrderField {
    /// The id.
    Id,
    /// The name, by code points.
    Name,
    /// The price.
    Price,
    /// How many are in stock.
    Amount,
}

/// A direction.
#[derive(Clone, Copy, Enum, Eq, PartialEq)]
pub enum OrderDirection {
    /// From low to high.
    Asc,
    /// From high to low.
    Desc,
}

/// As the catalog has it: the first one first, ties by id.
///
/// # Errors
/// [`Error::Invalid`]: a field is named twice.
pub fn order(orders: &[ProductOrder]) -> Result<SortOrder, Error> {
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

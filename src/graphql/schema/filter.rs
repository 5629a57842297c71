//! Filter and sort order inputs, converted to the domain's types.

use async_graphql::{Enum, ID, InputObject, InputType};

use super::scalars::Decimal;
use crate::domain::{
    Amount, Comparable, Comparison, Condition, Error, Filter, InvalidValue, NameOperand, NameOperator,
    NameTest, Operator, Price, ProductId, SortColumn, SortDirection, SortKey, SortOrder,
};

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

/// Returns whether each field of this input type is a test that a product must pass.
pub fn has_operators(input_type: &str) -> bool {
    let types = [
        ProductFilter::type_name(),
        IdFilter::type_name(),
        NameFilter::type_name(),
        DecimalFilter::type_name(),
        IntFilter::type_name(),
    ];
    types.iter().any(|name| name == input_type)
}

/// Adds the conditions on a numeric field. `values` has the order of [`OPERATORS`]; `convert` validates a
/// value.
fn add_comparisons<I, T: Comparable>(
    filter: &mut Filter,
    values: [Option<I>; 5],
    any_of: Option<Vec<I>>,
    convert: impl Fn(I) -> Result<T, InvalidValue>,
) -> Result<(), Error> {
    for (operator, value) in OPERATORS.into_iter().zip(values) {
        if let Some(value) = value {
            filter.add(T::condition(Comparison::one(operator, convert(value))?))?;
        }
    }
    if let Some(values) = any_of {
        filter.add(T::condition(Comparison::any_of(values.into_iter().map(convert))?))?;
    }
    Ok(())
}

/// Operators that compare with one value, in the field order of the input objects.
const OPERATORS: [Operator; 5] = [Operator::Eq, Operator::Gt, Operator::Gte, Operator::Lt, Operator::Lte];

impl ProductFilter {
    /// Converts the conditions to the domain's filter.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if a value is invalid, or if there are too many conditions or values.
    pub fn into_filter(self) -> Result<Filter, Error> {
        let mut filter = Filter::default();
        if let Some(IdFilter { eq, gt, gte, lt, lte, r#in }) = self.id {
            add_comparisons(&mut filter, [eq, gt, gte, lt, lte], r#in, |ID(id)| ProductId::parse(&id))?;
        }
        if let Some(DecimalFilter { eq, gt, gte, lt, lte, r#in }) = self.price {
            let price = |Decimal(price)| Price::parse(&price);
            add_comparisons(&mut filter, [eq, gt, gte, lt, lte], r#in, price)?;
        }
        if let Some(IntFilter { eq, gt, gte, lt, lte, r#in }) = self.amount {
            add_comparisons(&mut filter, [eq, gt, gte, lt, lte], r#in, Amount::try_from)?;
        }
        if let Some(NameFilter { eq, contains, prefix }) = self.name {
            let tests =
                [(NameOperator::Eq, eq), (NameOperator::Contains, contains), (NameOperator::Prefix, prefix)];
            for (operator, text) in tests {
                if let Some(text) = text {
                    let operand = NameOperand::new(&text)?;
                    filter.add(Condition::Name(NameTest { operator, operand }))?;
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

/// Converts sort keys, most significant first, to the domain's sort order.
///
/// # Errors
/// Returns [`Error::Invalid`] if a field is repeated.
pub fn sort_order(orders: &[ProductOrder]) -> Result<SortOrder, Error> {
    SortOrder::new(orders.iter().map(|order| SortKey {
        column: match order.field {
            ProductOrderField::Id => SortColumn::Id,
            ProductOrderField::Name => SortColumn::Name,
            ProductOrderField::Price => SortColumn::Price,
            ProductOrderField::Amount => SortColumn::Amount,
        },
        direction: match order.direction {
            OrderDirection::Asc => SortDirection::Ascending,
            OrderDirection::Desc => SortDirection::Descending,
        },
    }))
}

//! SQL conditions of filters.

use entity::product;
use sea_orm::{
    ColumnTrait, Condition as SqlCondition, ExprTrait, Value as SqlValue,
    sea_query::{Expr, Func, LikeExpr, SimpleExpr},
};

use crate::domain::{Comparison, Condition, Filter, NameOperator, NameTest, Operator};

/// Returns the condition that selects the products that match the filter.
pub(in crate::store) fn condition(filter: &Filter) -> SqlCondition {
    filter.conditions().iter().map(expression).fold(SqlCondition::all(), SqlCondition::add)
}

fn expression(condition: &Condition) -> SimpleExpr {
    match condition {
        Condition::Id(comparison) => compare(product::Column::Id, comparison),
        Condition::Price(comparison) => compare(product::Column::Price, comparison),
        Condition::Amount(comparison) => compare(product::Column::Amount, comparison),
        Condition::Name(test) => test_name(test),
    }
}

fn compare<T: Copy + Into<SqlValue>>(column: product::Column, comparison: &Comparison<T>) -> SimpleExpr {
    match comparison {
        Comparison::One(Operator::Eq, value) => column.eq(*value),
        Comparison::One(Operator::Gt, value) => column.gt(*value),
        Comparison::One(Operator::Gte, value) => column.gte(*value),
        Comparison::One(Operator::Lt, value) => column.lt(*value),
        Comparison::One(Operator::Lte, value) => column.lte(*value),
        Comparison::In(values) => column.is_in(values.iter().copied()),
    }
}

fn test_name(NameTest { operator, operand }: &NameTest) -> SimpleExpr {
    let lower = SimpleExpr::from(Func::lower(Expr::col(product::Column::Name)));
    let text = operand.as_str();
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = match operator {
        NameOperator::Eq => return lower.eq(text),
        NameOperator::Contains => format!("%{escaped}%"),
        NameOperator::Prefix => format!("{escaped}%"),
    };
    lower.like(LikeExpr::new(pattern).escape('\\'))
}

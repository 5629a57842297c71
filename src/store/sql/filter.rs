//! SQL conditions of filters.

use entity::product;
use sea_orm::{
    ColumnTrait, Condition as SqlCondition, DbBackend, ExprTrait, Iden, Value as SqlValue,
    sea_query::{ArrayType, Expr, Func, LikeExpr, SimpleExpr},
};

use crate::domain::{Comparison, Condition, Filter, NameOperator, NameTest, Operator};

/// Returns the condition that selects the products that match the filter.
pub(in crate::store) fn condition(filter: &Filter, backend: DbBackend) -> SqlCondition {
    let conditions = filter.conditions().iter().map(|condition| expression(condition, backend));
    conditions.fold(SqlCondition::all(), SqlCondition::add)
}

fn expression(condition: &Condition, backend: DbBackend) -> SimpleExpr {
    match condition {
        Condition::Id(comparison) => compare(product::Column::Id, comparison, backend),
        Condition::Price(comparison) => compare(product::Column::Price, comparison, backend),
        Condition::Amount(comparison) => compare(product::Column::Amount, comparison, backend),
        Condition::Name(test) => test_name(test),
    }
}

fn compare<T: Copy + Into<SqlValue>>(
    column: product::Column,
    comparison: &Comparison<T>,
    backend: DbBackend,
) -> SimpleExpr {
    match comparison {
        Comparison::One(Operator::Eq, value) => column.eq(*value),
        Comparison::One(Operator::Gt, value) => column.gt(*value),
        Comparison::One(Operator::Gte, value) => column.gte(*value),
        Comparison::One(Operator::Lt, value) => column.lt(*value),
        Comparison::One(Operator::Lte, value) => column.lte(*value),
        Comparison::In(values) => is_in(column, values.iter().map(|value| (*value).into()), backend),
    }
}

/// Returns a condition with one parameter for any number of values. A parameter for each value would make a
/// statement for each number of them, which connections keep prepared.
fn is_in(column: product::Column, values: impl Iterator<Item = SqlValue>, backend: DbBackend) -> SimpleExpr {
    let values = values.map(|value| match value {
        SqlValue::Int(value) => value.map(i64::from),
        SqlValue::BigInt(value) => value,
        _ => None,
    });
    let values: Vec<i64> = values.flatten().collect();
    let column = format!("\"product\".\"{}\"", Iden::unquoted(&column));
    if backend == DbBackend::Postgres {
        let values = values.into_iter().map(SqlValue::from).collect();
        let array = SqlValue::Array(ArrayType::BigInt, Some(Box::new(values)));
        return Expr::cust_with_values(format!("{column} = ANY($1)"), [array]);
    }
    let json = serde_json::Value::from(values).to_string();
    Expr::cust_with_values(format!("{column} IN (SELECT value FROM json_each(?))"), [json])
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

//! Parser of filters such as `price=gte.10`.

use crate::domain::{
    Amount, Comparable, Comparison, Condition, Error, Filter, NameOperand, NameOperator, NameTest, Operator,
    Price, ProductId,
};

const NUMBER_OPERATORS: &str = "eq, gt, gte, lt, lte and in";
const NAME_OPERATORS: &str = "eq, contains and prefix";

/// Adds the filter `name=value`, in which `value` is `operator.operand`. Returns false if no product field
/// has this name.
///
/// # Errors
/// Returns [`Error::Invalid`] if the operator or a value is invalid, or the filter has too many conditions.
pub fn add_filter(filter: &mut Filter, name: &str, value: &str) -> Result<bool, Error> {
    let (operator, operand) = value.split_once('.').unwrap_or((value, ""));
    filter.add(match name {
        "id" => compare::<ProductId>(operator, operand)?,
        "price" => compare::<Price>(operator, operand)?,
        "amount" => compare::<Amount>(operator, operand)?,
        "name" => test_name(operator, operand)?,
        _ => return Ok(false),
    })?;
    Ok(true)
}

fn compare<T: Comparable>(operator: &str, operand: &str) -> Result<Condition, Error> {
    let operator = match operator {
        "eq" => Operator::Eq,
        "gt" => Operator::Gt,
        "gte" => Operator::Gte,
        "lt" => Operator::Lt,
        "lte" => Operator::Lte,
        "in" => {
            let values: Vec<&str> = operand.split(',').collect();
            return Comparison::any_of(values.into_iter().map(T::parse)).map(T::condition);
        }
        _ => return Err(unknown_operator(T::FIELD, NUMBER_OPERATORS)),
    };
    Comparison::one(operator, T::parse(operand)).map(T::condition)
}

fn test_name(operator: &str, operand: &str) -> Result<Condition, Error> {
    let operand = NameOperand::new(operand)?;
    let operator = match operator {
        "eq" => NameOperator::Eq,
        "contains" => NameOperator::Contains,
        "prefix" => NameOperator::Prefix,
        _ => return Err(unknown_operator("name", NAME_OPERATORS)),
    };
    Ok(Condition::Name(NameTest { operator, operand }))
}

fn unknown_operator(field: &'static str, valid: &str) -> Error {
    Error::invalid(field, format!("accepts only the operators {valid}"))
}

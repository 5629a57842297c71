//! Parser of filters such as `price=gte.10`.

use crate::domain::{
    Amount, Comparable, Comparison, Condition, Error, Filter, NameOperand, NameOperator, NameTest, Operator,
    Price, ProductId,
};

const NUMBER_OPERATORS: &[&str] = &["eq", "gt", "gte", "lt", "lte", "in"];
const NAME_OPERATORS: &[&str] = &["eq", "contains", "prefix"];

/// Maximum number of characters of a value that an error message repeats.
const MAX_REPEATED_CHARS: usize = 40;

/// Adds the filter `name=value`, in which `value` is `operator.operand`. Returns false if no product field
/// has this name.
///
/// # Errors
/// Returns [`Error::Invalid`] if the operator or a value is invalid, or the filter has too many conditions.
pub fn add_filter(filter: &mut Filter, name: &str, value: &str) -> Result<bool, Error> {
    filter.add(match name {
        "id" => compare::<ProductId>(value)?,
        "price" => compare::<Price>(value)?,
        "amount" => compare::<Amount>(value)?,
        "name" => test_name(value)?,
        _ => return Ok(false),
    })?;
    Ok(true)
}

/// Splits a filter at its first dot into the operator and the operand. The operand is empty if there is no dot.
pub fn split(filter: &str) -> (&str, &str) {
    filter.split_once('.').unwrap_or((filter, ""))
}

fn compare<T: Comparable>(filter: &str) -> Result<Condition, Error> {
    let (operator, operand) = split(filter);
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
        _ => return Err(invalid_operator(T::FIELD, filter, NUMBER_OPERATORS)),
    };
    Comparison::one(operator, T::parse(operand)).map(T::condition)
}

fn test_name(filter: &str) -> Result<Condition, Error> {
    let (operator, operand) = split(filter);
    let operator = match operator {
        "eq" => NameOperator::Eq,
        "contains" => NameOperator::Contains,
        "prefix" => NameOperator::Prefix,
        _ => return Err(invalid_operator("name", filter, NAME_OPERATORS)),
    };
    Ok(Condition::Name(NameTest { operator, operand: NameOperand::new(operand)? }))
}

/// Returns the error for a filter without one of the valid operators. A word before the first dot counts as an unknown
/// operator. Without such a word, the operator is missing.
pub fn invalid_operator(field: &'static str, filter: &str, valid: &[&str]) -> Error {
    let (operator, _) = split(filter);
    let list = valid.join(", ");
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    if valid.contains(&operator.to_ascii_lowercase().as_str()) || (is_word(operator) && filter.contains('.'))
    {
        return Error::invalid(field, format!("has the unknown operator {operator:?}: use one of {list}"));
    }
    if filter.is_empty() {
        return Error::invalid(field, format!("needs an operator and a value: use one of {list}"));
    }
    let several = filter.contains(',') && valid.contains(&"in");
    let example = if several { "in" } else { "eq" };
    let value: String = filter.chars().take(MAX_REPEATED_CHARS).collect();
    Error::invalid(field, format!("needs an operator, such as {example}.{value}: use one of {list}"))
}

//! Filters of product lists: comparisons of fields, all of which must match.

use std::str::FromStr;

use entity::{Amount, InvalidValue, Price, ProductId, product};
use sea_orm::{
    ColumnTrait, Condition, ExprTrait, Value as SqlValue,
    sea_query::{Expr, Func, LikeExpr, SimpleExpr},
};

use super::Error;

/// Comparisons that a product must match. An empty filter matches every product.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<SimpleExpr>);

const NUMBER_OPERATORS: &str = "eq, gt, gte, lt, lte and in";
const NAME_OPERATORS: &str = "eq, contains and prefix";
/// Maximum number of comparisons. Each nests the SQL condition one level deeper.
const MAX_COMPARISONS: usize = 50;
/// Maximum number of values of `in`: more than a URL usually holds, well below the databases' parameter
/// limits.
const MAX_VALUES: usize = 1000;
const MAX_NAME_CHARS: usize = 255;

impl Filter {
    /// Adds a comparison, for example `price`, `gte`, `10`. Every operator but `in` takes exactly one value.
    /// Names are compared without regard to case, for ASCII letters only.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if the field, the operator or a value is not valid, or the filter is too
    /// long.
    pub fn add(&mut self, field: &'static str, operator: &str, values: &[&str]) -> Result<(), Error> {
        let comparison = match field {
            "id" => compare_number::<ProductId>(product::Column::Id, field, operator, values),
            "price" => compare_number::<Price>(product::Column::Price, field, operator, values),
            "amount" => compare_number::<Amount>(product::Column::Amount, field, operator, values),
            "name" => compare_name(operator, single_value(values)),
            _ => Err(Error::invalid(field, "cannot be used as a filter")),
        };
        if self.0.len() >= MAX_COMPARISONS {
            return Err(Error::invalid(field, format!("exceeds the limit of {MAX_COMPARISONS} filters")));
        }
        self.0.push(comparison?);
        Ok(())
    }

    /// Returns whether the filter matches every product.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn condition(&self) -> Condition {
        self.0.iter().cloned().fold(Condition::all(), Condition::add)
    }
}

fn compare_number<T>(
    column: product::Column,
    field: &'static str,
    operator: &str,
    values: &[&str],
) -> Result<SimpleExpr, Error>
where
    T: FromStr<Err = InvalidValue> + Into<SqlValue>,
{
    let parse =
        |text: &str| text.trim().parse::<T>().map_err(|error| Error::invalid(field, error.to_string()));
    let value = || parse(single_value(values));
    Ok(match operator {
        "eq" => column.eq(value()?),
        "gt" => column.gt(value()?),
        "gte" => column.gte(value()?),
        "lt" => column.lt(value()?),
        "lte" => column.lte(value()?),
        "in" if values.len() > MAX_VALUES => {
            return Err(Error::invalid(field, format!("accepts at most {MAX_VALUES} values")));
        }
        "in" => column.is_in(values.iter().map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?),
        _ => return Err(Error::invalid(field, format!("accepts only the operators {NUMBER_OPERATORS}"))),
    })
}

/// Returns the only value, or an empty string, which no operator accepts.
fn single_value<'a>(values: &[&'a str]) -> &'a str {
    if let [value] = values { value } else { "" }
}

fn compare_name(operator: &str, operand: &str) -> Result<SimpleExpr, Error> {
    if operand.is_empty() || operand.chars().count() > MAX_NAME_CHARS || operand.chars().any(char::is_control)
    {
        let rule = "must be compared with 1 to 255 characters, none of them control characters";
        return Err(Error::invalid("name", rule));
    }
    let lower = || SimpleExpr::from(Func::lower(Expr::col(product::Column::Name)));
    let operand = operand.to_ascii_lowercase();
    let escaped = operand.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let like = |pattern: String| lower().like(LikeExpr::new(pattern).escape('\\'));
    match operator {
        "eq" => Ok(lower().eq(operand)),
        "contains" => Ok(like(format!("%{escaped}%"))),
        "prefix" => Ok(like(format!("{escaped}%"))),
        _ => Err(Error::invalid("name", format!("accepts only the operators {NAME_OPERATORS}"))),
    }
}

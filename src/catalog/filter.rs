//! Which products are meant: tests of fields, all of which have to hold.

use std::str::FromStr;

use entity::{Amount, InvalidValue, Price, ProductId, product};
use sea_orm::{
    ColumnTrait, Condition, ExprTrait, Value as SqlValue,
    sea_query::{Expr, Func, LikeExpr, SimpleExpr},
};

use super::Error;

/// Tests that products have to pass; none: all products do.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<SimpleExpr>);

/// The fields that can be tested, and how.
const NUMBER_TESTS: &str = "eq, gt, gte, lt, lte or in";
const NAME_TESTS: &str = "eq, contains or prefix";
/// Each makes the statement a level deeper.
const MAX_TESTS: usize = 50;
/// More values than anyone writes into an address; well below the databases' limits on parameters.
const MAX_VALUES: usize = 1000;
const MAX_NAME_CHARS: usize = 255;

impl Filter {
    /// Adds a test: `price`, `gte`, `10`. Only `in` takes other than one value. Tests of the name pass over the
    /// difference of `A` to `Z` from `a` to `z`, and over no other.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no such field or test, or a value that the field can't have.
    pub fn add(&mut self, field: &'static str, test: &str, values: &[&str]) -> Result<(), Error> {
        let test = match field {
            "id" => numbers::<ProductId>(product::Column::Id, field, test, values),
            "price" => numbers::<Price>(product::Column::Price, field, test, values),
            "amount" => numbers::<Amount>(product::Column::Amount, field, test, values),
            "name" => name(test, only(values)),
            _ => Err(Error::invalid(field, "can't be filtered by")),
        };
        if self.0.len() >= MAX_TESTS {
            return Err(Error::invalid(
                field,
                format!("can't be tested too: there are {MAX_TESTS} tests already"),
            ));
        }
        self.0.push(test?);
        Ok(())
    }

    /// Whether all products pass.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn condition(&self) -> Condition {
        self.0.iter().cloned().fold(Condition::all(), Condition::add)
    }
}

fn numbers<T>(
    column: product::Column,
    field: &'static str,
    test: &str,
    values: &[&str],
) -> Result<SimpleExpr, Error>
where
    T: FromStr<Err = InvalidValue> + Into<SqlValue>,
{
    let value =
        |text: &str| text.trim().parse::<T>().map_err(|fault| Error::invalid(field, fault.to_string()));
    let one = || value(only(values));
    Ok(match test {
        "eq" => column.eq(one()?),
        "gt" => column.gt(one()?),
        "gte" => column.gte(one()?),
        "lt" => column.lt(one()?),
        "lte" => column.lte(one()?),
        "in" if values.len() > MAX_VALUES => {
            return Err(Error::invalid(field, format!("can be in at most {MAX_VALUES} values")));
        }
        "in" => column.is_in(values.iter().map(|text| value(text)).collect::<Result<Vec<_>, _>>()?),
        _ => return Err(Error::invalid(field, format!("can be tested by {NUMBER_TESTS}"))),
    })
}

/// The value of a test that takes one.
fn only<'a>(values: &[&'a str]) -> &'a str {
    if let [value] = values { value } else { "" }
}

fn name(test: &str, operand: &str) -> Result<SimpleExpr, Error> {
    if operand.is_empty() || operand.chars().count() > MAX_NAME_CHARS || operand.chars().any(char::is_control)
    {
        let rule = "must be looked for by 1 to 255 characters, none of them a control character";
        return Err(Error::invalid("name", rule));
    }
    let lower = || SimpleExpr::from(Func::lower(Expr::col(product::Column::Name)));
    let operand = operand.to_ascii_lowercase();
    let escaped = operand.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let like = |pattern: String| lower().like(LikeExpr::new(pattern).escape('\\'));
    match test {
        "eq" => Ok(lower().eq(operand)),
        "contains" => Ok(like(format!("%{escaped}%"))),
        "prefix" => Ok(like(format!("{escaped}%"))),
        _ => Err(Error::invalid("name", format!("can be tested by {NAME_TESTS}"))),
    }
}

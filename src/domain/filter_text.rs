//! The text of a filter, in the syntax of REST's query: `id=gte.1&name=contains.lamp`.

use std::fmt::{self, Display, Formatter};

use super::{Comparable, Comparison, Condition, Filter, NameOperator, Operator, Price, ProductId};

/// Maximum number of values of one condition in the text.
const MAX_VALUES: usize = 20;

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, condition) in self.conditions().iter().enumerate() {
            if index > 0 {
                f.write_str("&")?;
            }
            match condition {
                Condition::Id(comparison) => write_comparison(f, comparison, ProductId::to_string)?,
                Condition::Price(comparison) => write_comparison(f, comparison, Price::to_string)?,
                Condition::Amount(comparison) => {
                    write_comparison(f, comparison, |amount| amount.get().to_string())?;
                }
                Condition::Name(test) => {
                    let operator = match test.operator {
                        NameOperator::Eq => "eq",
                        NameOperator::Contains => "contains",
                        NameOperator::Prefix => "prefix",
                    };
                    write!(f, "name={operator}.{}", test.operand.as_str())?;
                }
            }
        }
        Ok(())
    }
}

fn write_comparison<T: Comparable>(
    f: &mut Formatter<'_>,
    comparison: &Comparison<T>,
    text: impl Fn(&T) -> String,
) -> fmt::Result {
    match comparison {
        Comparison::One(operator, value) => {
            let operator = match operator {
                Operator::Eq => "eq",
                Operator::Gt => "gt",
                Operator::Gte => "gte",
                Operator::Lt => "lt",
                Operator::Lte => "lte",
            };
            write!(f, "{}={operator}.{}", T::FIELD, text(value))
        }
        Comparison::In(values) => {
            let shown: Vec<_> = values.iter().take(MAX_VALUES).map(text).collect();
            write!(f, "{}=in.{}", T::FIELD, shown.join(","))?;
            match values.len() - shown.len() {
                0 => Ok(()),
                others => write!(f, " and {others} more"),
            }
        }
    }
}

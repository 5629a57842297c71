//! Conversion between value types and columns. Columns are validated like input from clients.

use std::sync::Arc;

use sea_orm::{
    ActiveValue, ColIdx, DbErr, IntoActiveValue, QueryResult, TryFromU64, TryGetError, TryGetable,
};
use sea_orm::{
    Value,
    sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr},
};

use crate::{Amount, InvalidValue, Name, Price, ProductId};

/// Implements the conversions of a value type. `$from_column` rejects an invalid column, which SeaORM's
/// `DeriveValueType` would accept.
macro_rules! impl_row_value {
    ($type:ty, $column:ty, $from_column:expr, $into_column:expr) => {
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                $into_column(value).into()
            }
        }

        impl TryGetable for $type {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                let column = <$column as TryGetable>::try_get_by(row, index)?;
                $from_column(column)
                    .map_err(|error| TryGetError::DbErr(broken_rule(stringify!($type), error)))
            }
        }

        impl ValueType for $type {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                let column = <$column as ValueType>::try_from(value)?;
                $from_column(column).map_err(|_| ValueTypeErr)
            }

            fn type_name() -> String {
                stringify!($type).to_owned()
            }

            fn array_type() -> ArrayType {
                <$column as ValueType>::array_type()
            }

            fn column_type() -> ColumnType {
                <$column as ValueType>::column_type()
            }
        }

        impl Nullable for $type {
            fn null() -> Value {
                <$column as Nullable>::null()
            }
        }

        impl IntoActiveValue<$type> for $type {
            fn into_active_value(self) -> ActiveValue<$type> {
                ActiveValue::Set(self)
            }
        }
    };
}

impl_row_value!(ProductId, i64, <ProductId as TryFrom<i64>>::try_from, ProductId::get);
impl_row_value!(Name, String, <Name as TryFrom<String>>::try_from, Name::into_string);
impl_row_value!(Price, i64, Price::from_ten_thousandths, Price::ten_thousandths);
impl_row_value!(Amount, i32, <Amount as TryFrom<i32>>::try_from, Amount::get);

impl TryFromU64 for ProductId {
    fn try_from_u64(id: u64) -> Result<Self, DbErr> {
        let id = i64::try_from_u64(id)?;
        <Self as TryFrom<i64>>::try_from(id).map_err(|error| broken_rule("ProductId", error))
    }
}

fn broken_rule(into: &'static str, error: InvalidValue) -> DbErr {
    DbErr::TryIntoErr { from: "column", into, source: Arc::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid<T: ValueType>(column: impl Into<Value>) -> bool {
        <T as ValueType>::try_from(column.into()).is_ok()
    }

    #[test]
    fn rows_that_keep_the_rules_are_read() {
        assert!(is_valid::<ProductId>(1_i64) && is_valid::<ProductId>(ProductId::MAX));
        assert!(is_valid::<Price>(0_i64) && is_valid::<Price>(Price::MAX));
        assert!(is_valid::<Amount>(0_i32) && is_valid::<Amount>(Amount::MAX));
        assert!(is_valid::<Name>("Blue lamp") && is_valid::<Name>("é".repeat(Name::MAX_CHARS)));
    }

    #[test]
    fn a_row_that_breaks_a_rule_is_an_error() {
        for id in [i64::MIN, 0, ProductId::MAX + 1] {
            assert!(!is_valid::<ProductId>(id), "{id}");
        }
        for price in [-1, Price::MAX + 1] {
            assert!(!is_valid::<Price>(price), "{price}");
        }
        assert!(!is_valid::<Amount>(-1_i32));
        for name in ["", " lamp", "lamp ", "blue\nlamp", &"é".repeat(Name::MAX_CHARS + 1)] {
            assert!(!is_valid::<Name>(name), "{name:?}");
        }
    }
}

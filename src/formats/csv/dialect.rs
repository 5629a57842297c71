//! Explains rows in other dialects of CSV, which spreadsheet programs write in many languages.

use std::borrow::Cow;

const SEPARATOR_LINE: &str =
    "tells spreadsheet programs the separator: delete the line and separate fields with commas";
const SEMICOLONS: &str =
    "separates fields with semicolons: export the file with commas as separators and points in decimals";
const TABS: &str = "separates fields with tabs: export the file with commas as separators";
/// Error of a number with a comma. The comma is a decimal point or a separator of thousands.
pub const COMMA_IN_NUMBER: &str =
    "must not have a comma; write 999.99 instead of 999,99, and 1999 instead of 1,999";

/// Returns what is wrong with a header row that has this column, in lower case. Returns `None` if the column gives no
/// reason to expect another dialect.
pub fn foreign_header(column: &str) -> Option<&'static str> {
    if column.starts_with("sep=") {
        return Some(SEPARATOR_LINE);
    }
    foreign_separator(column)
}

fn foreign_separator(field: &str) -> Option<&'static str> {
    if field.contains(';') {
        return Some(SEMICOLONS);
    }
    field.contains('\t').then_some(TABS)
}

/// Returns what is wrong with a row that has `count` instead of `expected` fields.
pub fn wrong_field_count(first_field: &[u8], count: usize, expected: usize) -> Cow<'static, str> {
    let detail = format!("has {count} fields, but the header row has {expected}");
    if count > expected {
        return format!("{detail}: put a field with a comma in quotes, and write decimals with a point")
            .into();
    }
    let separator = std::str::from_utf8(first_field).ok().and_then(foreign_separator);
    separator.filter(|_| count == 1).map_or(Cow::Owned(detail), Cow::Borrowed)
}

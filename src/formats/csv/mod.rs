//! CSV (RFC 4180) with a header row that names the columns, in any order. Product names are not escaped for
//! spreadsheets, even if they look like formulas, so that an exported file can be imported without loss.

use std::io::Write;

use crate::domain::Product;

mod dialect;
mod reader;
mod row_scanner;

pub use self::reader::CsvReader;

/// Header row of every CSV file that the server writes.
pub const HEADER: &[u8] = b"id,name,price,amount\r\n";

/// Appends a product as a row to `out`.
pub fn write(out: &mut Vec<u8>, product: &Product) {
    let Product { id, name, price, amount, version: _ } = product;
    // Writing to a `Vec` cannot fail.
    let _ = write!(out, "{id},");
    if name.as_str().contains([',', '"']) {
        let _ = write!(out, "\"{}\"", name.as_str().replace('"', "\"\""));
    } else {
        out.extend_from_slice(name.as_str().as_bytes());
    }
    let _ = write!(out, ",{price},{}\r\n", amount.get());
}

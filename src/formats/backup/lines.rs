//! The lines of a backup.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use entity::{api_token, idempotency_key, product};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{domain::InvalidValue, store::Rows};

pub(super) const FORMAT: &str = "stockmeter-backup";
/// Version of the format, which grows if older versions of Stockmeter cannot restore it.
pub(super) const FORMAT_VERSION: u32 = 1;

/// First line of a backup.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Header {
    pub format: String,
    pub format_version: u32,
    /// Newest migration of the database.
    pub schema: String,
    /// Time in RFC 3339.
    pub created_at: String,
    /// Version of Stockmeter.
    pub server: String,
}

/// A line after the header. Times are in seconds since 1970 (UTC), and binary values in base 64.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    #[serde(borrow)]
    Product(ProductLine<'a>),
    #[serde(borrow)]
    ApiToken(ApiTokenLine<'a>),
    #[serde(borrow)]
    IdempotencyKey(IdempotencyKeyLine<'a>),
    End(Summary),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductLine<'a> {
    id: i64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    /// The exact digits, which a JSON number could lose.
    #[serde(borrow)]
    price: Cow<'a, str>,
    amount: i32,
    version: i64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTokenLine<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    #[serde(borrow)]
    scopes: Cow<'a, str>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdempotencyKeyLine<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
    #[serde(borrow)]
    response: Cow<'a, str>,
    created_at: i64,
}

/// Last line of a backup.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub products: u64,
    pub api_tokens: u64,
    pub idempotency_keys: u64,
    /// Last generated id.
    pub last_id: i64,
    /// SHA-256 of the lines between the header and the end, in hexadecimal digits.
    pub digest: String,
    /// SHA-256 of the header and of this line without its checksum.
    checksum: String,
}

impl Summary {
    /// Adds what is known at the end of the file.
    pub(super) fn complete(mut self, last_id: i64, header: &[u8], rows: Sha256) -> Self {
        (self.last_id, self.digest) = (last_id, hexadecimal(rows));
        let Self { products, api_tokens, idempotency_keys, last_id, digest, checksum: _ } = &self;
        let end = format!("{products} {api_tokens} {idempotency_keys} {last_id} {digest}");
        self.checksum = hexadecimal(Sha256::new_with_prefix(header).chain_update(end));
        self
    }

    pub(super) fn count(&mut self, rows: &Rows) {
        match rows {
            Rows::Products(rows) => self.products += rows.len() as u64,
            Rows::ApiTokens(rows) => self.api_tokens += rows.len() as u64,
            Rows::Responses(rows) => self.idempotency_keys += rows.len() as u64,
        }
    }
}

/// Returns the last line.
pub(super) fn end_line(summary: &Summary) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line::End(summary.clone()))?;
    line.push(b'\n');
    Ok(line)
}

/// Appends the lines of rows.
pub(super) fn write_rows(rows: &Rows, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match rows {
        Rows::Products(rows) => write_lines(rows.iter().map(|row| Line::Product(row.into())), out),
        Rows::ApiTokens(rows) => write_lines(rows.iter().map(|row| Line::ApiToken(row.into())), out),
        Rows::Responses(rows) => write_lines(rows.iter().map(|row| Line::IdempotencyKey(row.into())), out),
    }
}

fn write_lines<'a>(mut lines: impl Iterator<Item = Line<'a>>, out: &mut Vec<u8>) -> serde_json::Result<()> {
    lines.try_for_each(|line| {
        serde_json::to_writer(&mut *out, &line)?;
        out.push(b'\n');
        Ok(())
    })
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<'a> From<&'a product::Model> for ProductLine<'a> {
    fn from(row: &'a product::Model) -> Self {
        let product::Model { id, name, price, amount, version } = row;
        Self {
            id: id.get(),
            name: name.as_str().into(),
            price: price.to_string().into(),
            amount: amount.get(),
            version: version.get(),
        }
    }
}

impl TryFrom<ProductLine<'_>> for product::Model {
    type Error = InvalidValue;

    fn try_from(line: ProductLine<'_>) -> Result<Self, InvalidValue> {
        Ok(Self {
            id: line.id.try_into()?,
            name: line.name.into_owned().try_into()?,
            price: line.price.parse()?,
            amount: line.amount.try_into()?,
            version: line.version.into(),
        })
    }
}

impl<'a> From<&'a api_token::Model> for ApiTokenLine<'a> {
    fn from(row: &'a api_token::Model) -> Self {
        let api_token::Model { id, name, digest, scopes, created_at, expires_at, revoked_at, last_used_at } =
            row;
        Self {
            id: id.into(),
            name: name.into(),
            digest: BASE64_STANDARD.encode(digest).into(),
            scopes: scopes.into(),
            created_at: *created_at,
            expires_at: *expires_at,
            revoked_at: *revoked_at,
            last_used_at: *last_used_at,
        }
    }
}

impl TryFrom<ApiTokenLine<'_>> for api_token::Model {
    type Error = base64::DecodeError;

    fn try_from(line: ApiTokenLine<'_>) -> Result<Self, base64::DecodeError> {
        let ApiTokenLine { id, name, digest, scopes, created_at, expires_at, revoked_at, last_used_at } =
            line;
        let digest = BASE64_STANDARD.decode(&*digest)?;
        let [id, name, scopes] = [id, name, scopes].map(Cow::into_owned);
        Ok(Self { id, name, digest, scopes, created_at, expires_at, revoked_at, last_used_at })
    }
}

impl<'a> From<&'a idempotency_key::Model> for IdempotencyKeyLine<'a> {
    fn from(row: &'a idempotency_key::Model) -> Self {
        let idempotency_key::Model { key, fingerprint, response, created_at } = row;
        let fingerprint = BASE64_STANDARD.encode(fingerprint).into();
        Self { key: key.into(), fingerprint, response: response.into(), created_at: *created_at }
    }
}

impl TryFrom<IdempotencyKeyLine<'_>> for idempotency_key::Model {
    type Error = base64::DecodeError;

    fn try_from(line: IdempotencyKeyLine<'_>) -> Result<Self, base64::DecodeError> {
        let IdempotencyKeyLine { key, fingerprint, response, created_at } = line;
        let fingerprint = BASE64_STANDARD.decode(&*fingerprint)?;
        Ok(Self { key: key.into_owned(), fingerprint, response: response.into_owned(), created_at })
    }
}

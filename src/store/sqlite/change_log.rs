//! The change log (see the migration). A transaction logs its own changes, because SQLite runs triggers for
//! each row, which takes a third of the time of an insert. The triggers log what other programs write. They
//! are also used for the server's writes if the database has triggers of other programs, which may change
//! further rows.

use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Result, Row,
    config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, params, types::Type,
};

use crate::{
    domain::{ChangeKind, LogPosition, ProductId, Version},
    store::log_read::{CHANGES_PER_ROW, LogEntry, ROW_SHIFT, kind_column},
};

/// Selects whether any table has a trigger that Stockmeter did not create. The switch is for all tables.
const HAS_FOREIGN_TRIGGERS: &str = "
SELECT count(*) > 0 FROM sqlite_schema
WHERE type = 'trigger' AND name NOT IN ('product_created', 'product_updated', 'product_deleted')";

const INSERT: &str = "INSERT INTO product_change_log (kind, product_ids, versions) VALUES (?, ?, ?)";

/// Switches the triggers of a write connection on or off. Remembers the schema for which it has decided.
#[derive(Debug, Default)]
pub(super) struct TriggerSwitch {
    schema_version: Option<i64>,
    enabled: bool,
}

impl TriggerSwitch {
    /// Decides for the current schema, and returns whether triggers run. Must be called in a write
    /// transaction, so that the schema cannot change.
    pub fn update(&mut self, connection: &Connection) -> Result<bool> {
        let version: i64 =
            connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        if self.schema_version != Some(version) {
            self.enabled = connection.query_row(HAS_FOREIGN_TRIGGERS, [], |row| row.get(0))?;
            connection.set_db_config(SQLITE_DBCONFIG_ENABLE_TRIGGER, self.enabled)?;
            self.schema_version = Some(version);
        }
        Ok(self.enabled)
    }
}

/// Changes of a transaction that are not in the log yet.
#[derive(Debug, Default)]
pub(super) struct PendingChanges(Vec<(ChangeKind, ProductId, Version)>);

impl PendingChanges {
    pub fn add(&mut self, kind: ChangeKind, id: ProductId, version: Version) {
        self.0.push((kind, id, version));
    }

    /// Writes the changes to the log. Consecutive changes of the same kind share rows.
    pub fn write(self, connection: &Connection) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut insert = connection.prepare_cached(INSERT)?;
        for same_kind in self.0.chunk_by(|(kind, ..), (next, ..)| kind == next) {
            for changes in same_kind.chunks(CHANGES_PER_ROW) {
                insert_row(&mut insert, changes)?;
            }
        }
        Ok(())
    }
}

/// Inserts a row. All changes must be of the same kind.
fn insert_row(insert: &mut CachedStatement<'_>, changes: &[(ChangeKind, ProductId, Version)]) -> Result<()> {
    let Some((kind, _, version)) = changes.first() else {
        return Ok(());
    };
    let ids = json_array(changes.iter().map(|(_, id, _)| id.get()));
    // Products that are created together share their version, which is then stored once.
    let versions = if changes.iter().all(|(_, _, other)| other == version) {
        json_array([version.get()].into_iter())
    } else {
        json_array(changes.iter().map(|(_, _, version)| version.get()))
    };
    insert.execute(params![kind_column(*kind), ids, versions])?;
    Ok(())
}

/// Returns the numbers as a JSON array. A formatter would take 1 % of the time of an array insert.
fn json_array(numbers: impl ExactSizeIterator<Item = i64>) -> String {
    let mut json = String::with_capacity(17 * numbers.len() + 2);
    json.push('[');
    for (index, number) in numbers.enumerate() {
        json.push_str(if index > 0 { "," } else { "" });
        json.push_str(itoa::Buffer::new().format(number));
    }
    json.push(']');
    json
}

pub(super) const SELECT_FROM: &str =
    "SELECT seq, at, kind, product_ids, versions FROM product_change_log WHERE seq >= ? ORDER BY seq";
pub(in crate::store) const SELECT_LAST: &str =
    "SELECT seq, at, kind, product_ids, versions FROM product_change_log ORDER BY seq DESC LIMIT 1";
pub(super) const INSERT_SENTINEL: &str = "
INSERT INTO product_change_log (kind, product_ids, versions)
SELECT 0, '[null]', '[null]' WHERE NOT EXISTS (SELECT 1 FROM product_change_log)";
pub(super) const PRUNE: &str = "
DELETE FROM product_change_log
WHERE seq IN (SELECT seq FROM product_change_log ORDER BY seq LIMIT ?2)
    AND at < unixepoch() - ?1 AND seq < (SELECT max(seq) FROM product_change_log)";

/// Returns the entry at the position and up to `limit` entries after it.
pub(super) fn entries_from(
    connection: &Connection,
    position: LogPosition,
    limit: u32,
) -> Result<Vec<LogEntry>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut statement = connection.prepare_cached(SELECT_FROM)?;
    let (mut rows, mut entries) = (statement.query([position.sequence >> ROW_SHIFT])?, Vec::new());
    while let Some(row) = rows.next()? {
        entries.extend(row_entries(row)?.into_iter().filter(|entry| entry.position >= position));
        if entries.len() >= limit {
            entries.truncate(limit);
            break;
        }
    }
    Ok(entries)
}

/// Returns the position of the newest entry, or `None` if the log is empty.
pub(super) fn newest_position(connection: &Connection) -> Result<Option<LogPosition>> {
    let entries = connection.prepare_cached(SELECT_LAST)?.query_row([], row_entries).optional()?;
    Ok(entries.and_then(|entries| entries.last().map(|entry| entry.position)))
}

/// Inserts a row without a product into an empty log, so that the log has a position.
pub(super) fn insert_sentinel(connection: &Connection) -> Result<()> {
    connection.execute(INSERT_SENTINEL, []).map(drop)
}

/// Deletes up to `max_rows` rows older than `seconds`, and returns their number. Keeps the newest row.
pub(super) fn prune(connection: &Connection, seconds: i64, max_rows: u32) -> Result<usize> {
    connection.prepare_cached(PRUNE)?.execute(params![seconds, max_rows])
}

fn row_entries(row: &Row<'_>) -> Result<Vec<LogEntry>> {
    let (number, at, kind): (i64, i64, i16) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let ids: Vec<Option<i64>> = parse(row, 3)?;
    let versions: Vec<Option<i64>> = parse(row, 4)?;
    let version = |index: usize| *versions.get(index).or(versions.last()).unwrap_or(&None);
    let entry = |(index, id): (usize, Option<i64>)| LogEntry {
        position: LogPosition {
            transaction_id: 0,
            sequence: (number << ROW_SHIFT) + i64::try_from(index).unwrap_or(0),
        },
        kind,
        id: id.and_then(|id| ProductId::try_from(id).ok()),
        version: version(index).map(Version::from),
        at,
    };
    Ok(ids.into_iter().enumerate().map(entry).collect())
}

fn parse(row: &Row<'_>, column: usize) -> Result<Vec<Option<i64>>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

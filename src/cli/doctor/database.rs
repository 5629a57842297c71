//! Checks of the database.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{Access, access, statfs};

use super::{Finding, failed, ok, warning};
use crate::{
    cli::output::folder,
    config::Config,
    store::{self, DatabaseUrl, InspectError, Inspection, SchemaState},
};

/// Maximum time to wait for PostgreSQL.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Difference of clocks above which times of requests and rows are confusing.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(2);

/// Types of network file systems, as in Linux' `statfs(2)`. Their locks do not protect SQLite's files.
const NETWORK_FILE_SYSTEMS: [(i64, &str); 6] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB 2"),
    (0xFF53_4D42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x6573_5546, "FUSE"),
];

pub(super) async fn check(url: &DatabaseUrl, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(file) = url.file() {
        findings.extend(file_system(file));
        match fs::metadata(file) {
            Ok(metadata) => findings.push(permissions(file, metadata.permissions().mode())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                findings.push(missing_file(file));
                return findings;
            }
            // Inspecting it reports the error.
            Err(_) => {}
        }
    }
    match store::inspect(url, TIMEOUT).await {
        Ok(inspection) => findings.extend(inspected(url, &inspection, config)),
        Err(error @ InspectError::Pooler) => {
            findings.push(failed("database", format!("{url}: {error}; set its pool mode to session")));
        }
        Err(error) => {
            let remedy = if url.file().is_some() { ", or restore a backup" } else { "" };
            let text = format!("cannot read {url}: {error}; check DATABASE_URL{remedy}");
            findings.push(failed("database", text));
        }
    }
    findings
}

fn inspected(url: &DatabaseUrl, inspection: &Inspection, config: &Config) -> Vec<Finding> {
    let Inspection { version, schema, read_only, damage, clock, max_connections } = inspection;
    let mut findings = vec![match damage {
        Some(damage) => failed("database", format!("{url} is damaged: {damage}; restore a backup")),
        None => ok("database", format!("{url} responds ({version})")),
    }];
    findings.push(match schema {
        SchemaState::Current => ok("schema", "it is current"),
        SchemaState::Missing => ok("schema", "it is missing; the server creates it when it starts"),
        SchemaState::Older(pending) => warning(
            "schema",
            format!("pending migrations: {pending}; the server applies them when it starts"),
        ),
        SchemaState::Newer(name) => failed(
            "schema",
            format!("it is newer than this version of Stockmeter ({name}); run a newer version"),
        ),
    });
    findings.push(match read_only {
        Some(reason) => failed(
            "writes",
            format!(
                "the database cannot be written: {reason}; give the right to write, or name another server in DATABASE_URL"
            ),
        ),
        None => ok("writes", "the database can be written"),
    });
    findings.extend(max_connections.map(|max| connections(config.database_connections, max)));
    findings.extend(clock.map(|(database, here)| compare_clocks(database, here)));
    findings
}

fn connections(wanted: u32, max: u32) -> Finding {
    let text = format!("the server may open {wanted} connections, PostgreSQL allows {max}");
    if wanted < max {
        return ok("connections", text);
    }
    warning("connections", format!("{text}; lower STOCKMETER_DATABASE_CONNECTIONS or raise max_connections"))
}

fn compare_clocks(database: SystemTime, here: SystemTime) -> Finding {
    let difference =
        database.duration_since(here).or_else(|_| here.duration_since(database)).unwrap_or_default();
    let text = format!("PostgreSQL's clock differs by {:.1} s", difference.as_secs_f64());
    if difference <= CLOCK_DIFFERENCE {
        return ok("clocks", text);
    }
    warning("clocks", format!("{text}; synchronize both clocks, for example with chrony"))
}

/// Returns a finding about the file system of the database, unless its folder cannot be read.
fn file_system(file: &Path) -> Option<Finding> {
    let kind = statfs(folder(file)).ok()?.f_type;
    let network = NETWORK_FILE_SYSTEMS.into_iter().find(|(known, _)| *known == kind);
    Some(match network {
        Some((_, name)) => warning(
            "file system",
            format!(
                "{} is on {name}, whose locks SQLite cannot rely on; move it to a local disk",
                file.display()
            ),
        ),
        None => ok("file system", "the file is on a local disk"),
    })
}

fn permissions(file: &Path, mode: u32) -> Finding {
    let (name, mode) = (file.display(), mode & 0o777);
    if mode & 0o700 == mode {
        return ok("permissions", format!("only the owner can read {name}"));
    }
    warning("permissions", format!("others can use {name} (mode {mode:03o}); run `chmod 600 {name}`"))
}

fn missing_file(file: &Path) -> Finding {
    let (name, folder) = (file.display(), folder(file));
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => warning(
            "database",
            format!("{name} does not exist; the server creates it, or check DATABASE_URL"),
        ),
        Err(error) => {
            let folder = folder.display();
            failed("database", format!("{name} cannot be created in {folder}: {error}; check DATABASE_URL"))
        }
    }
}

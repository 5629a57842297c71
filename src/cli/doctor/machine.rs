//! Checks of the machine.

use std::{
    env, fs, io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::SystemTime,
};

use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};

use super::{Finding, failed, ok, warning};
use crate::{
    cli::{healthcheck, output::folder},
    config::Config,
    server,
    unix_time::now,
};

/// Free space in bytes below which writes are likely to fail soon.
const LITTLE_SPACE: u64 = 64 << 20;
/// Free space in bytes that should be left.
const ENOUGH_SPACE: u64 = 1 << 30;
/// A time before the first release, in seconds since 1970 (UTC): 2026-01-01.
const EARLIEST: i64 = 1_767_225_600;

pub(super) fn check(database: Option<&Path>, config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(database.map(|file| space("disk", folder(file))));
    // Uploaded files are stored there.
    findings.push(space("temp folder", &env::temp_dir()));
    findings.push(clock(database));
    findings.push(descriptors(config));
    findings.push(port(config.listen, "STOCKMETER_LISTEN"));
    findings.extend(config.metrics_listen.map(|address| port(address, "STOCKMETER_METRICS_LISTEN")));
    findings
}

fn space(subject: &'static str, folder: &Path) -> Finding {
    let name = folder.display();
    let free = match statvfs(folder) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
        Err(error) => return failed(subject, format!("{name} cannot be used: {error}; create it")),
    };
    let text = format!("{} MiB are free in {name}", free >> 20);
    match free {
        ..LITTLE_SPACE => failed(subject, format!("{text}; free space, or move it to a larger disk")),
        LITTLE_SPACE..ENOUGH_SPACE => warning(subject, format!("{text}; free some space")),
        _ => ok(subject, text),
    }
}

/// Checks that the clock is neither before the release nor before the last write of the database.
fn clock(database: Option<&Path>) -> Finding {
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    let written = database.and_then(|file| fs::metadata(file).ok()?.modified().ok());
    let is_early = now() < EARLIEST || written.is_some_and(|written| written > SystemTime::now());
    if is_early {
        return warning(
            "clock",
            format!("it says {time}, which is too early; synchronize it, for example with chrony"),
        );
    }
    ok("clock", format!("it says {time}"))
}

fn descriptors(config: &Config) -> Finding {
    // The server raises the soft limit to the hard one.
    let limit = getrlimit(Resource::Nofile).maximum;
    let possible = server::connections_within(limit, config.database_connections);
    let wanted = u64::from(config.limits.connections);
    if possible >= wanted {
        return ok("descriptors", format!("the limit allows {wanted} connections"));
    }
    let text = format!("the limit allows {possible} of {wanted} connections; raise `ulimit -Hn`");
    // The database and the listeners need the others.
    if possible <= 1 {
        return failed("descriptors", text);
    }
    warning("descriptors", format!("{text}, or lower STOCKMETER_CONNECTIONS"))
}

fn port(address: SocketAddr, setting: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => ok("port", format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && healthcheck::run(address).is_ok() => {
            ok("port", format!("a server is ready on {address}"))
        }
        Err(error) => failed("port", format!("cannot listen on {address}: {error}; change {setting}")),
    }
}

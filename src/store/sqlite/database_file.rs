//! The SQLite file, and whether it is still the one that was opened. Writes to a file that was deleted or
//! replaced would be lost.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::store::StoreError;

/// Interval between two looks at the file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The file. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    identity: (u64, u64),
    opened_at: Instant,
    /// Time of the next check, in milliseconds after `opened_at`.
    next_check: AtomicU64,
}

impl DatabaseFile {
    /// Remembers the identity of an existing file.
    pub fn new(path: &Path) -> io::Result<Self> {
        let (path, identity) = (path.to_owned(), identity(&fs::metadata(path)?));
        Ok(Self(Arc::new(Inner { path, identity, opened_at: Instant::now(), next_check: AtomicU64::new(0) })))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns an error if the file was deleted or replaced. Looks at the file at most once per second, which is
    /// enough for reads.
    pub fn check(&self) -> Result<(), StoreError> {
        let Inner { opened_at, next_check, .. } = &*self.0;
        let now = u64::try_from(opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now < next_check.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.check_now()?;
        let interval = u64::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(u64::MAX);
        next_check.store(now.saturating_add(interval), Ordering::Relaxed);
        Ok(())
    }

    /// Returns an error if the file was deleted or replaced.
    pub fn check_now(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.0.path) {
            Ok(file) if identity(&file) != self.0.identity => {}
            // The file has at least one page.
            Ok(file) if file.len() == 0 => {
                return Err(StoreError::unavailable(
                    "the database file was emptied: stop the server, and restore the file from a backup",
                ));
            }
            Ok(_) => return Ok(()),
            Err(_) => {}
        }
        Err(StoreError::unavailable(
            "the database file was deleted or replaced: put it back, or restart the server",
        ))
    }
}

/// Returns the device and the inode of a file.
fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

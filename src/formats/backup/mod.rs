//! Backups: JSON Lines with a header, a line for each row, and an end with a digest. The format is the same for all
//! databases.
//!
//! The digest is the SHA-256 of all lines between the header and the end. Two databases with the same rows have the
//! same digest. A checksum in the end covers everything else in the file.

mod lines;
mod reader;
mod writer;

pub use lines::Summary;
pub use reader::{BackupError, BackupReader, Part};
pub use writer::BackupWriter;

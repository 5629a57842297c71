//! Files that a command reads twice: to check them, then to store their content.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Seek},
    path::Path,
};

use super::transfer_error::{TransferError, file_error};

/// Opens a file for reading. `-` is standard input. An input that can be read only once is copied to a temporary file.
///
/// # Errors
/// Returns a [`TransferError`] if the file cannot be read or the temporary file cannot be written.
pub(super) fn open(path: &Path) -> Result<File, TransferError> {
    let failed = file_error(path);
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            eprintln!("reading from the terminal; press Ctrl-D to finish");
        }
        return spool(io::stdin(), failed);
    }
    let file = File::open(path).map_err(&failed)?;
    if file.metadata().map_err(&failed)?.is_file() { Ok(file) } else { spool(file, failed) }
}

fn spool(mut source: impl Read, failed: impl Fn(io::Error) -> TransferError) -> Result<File, TransferError> {
    let mut file = tempfile::tempfile().map_err(TransferError::TemporaryFile)?;
    io::copy(&mut source, &mut file).map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    Ok(file)
}

//! Output of commands: files, which have a temporary name until they are complete, and text on standard output.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Stdout, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Writes text to standard output. A reader that has read enough, such as `head`, is no error.
///
/// # Errors
/// Returns a message if the text cannot be written.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// A file that is being written.
pub(super) enum Output {
    Standard(Stdout),
    /// A device, a pipe or a link, which is written to instead of replaced.
    Special(File),
    /// A temporary file, and its final name.
    New(NamedTempFile, PathBuf),
}

impl Output {
    /// Opens an output; `-` is standard output. As for any new file, the umask removes permissions of `mode`.
    pub fn create(path: &Path, mode: u32) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(io::stdout()));
        }
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return OpenOptions::new().write(true).open(path).map(Self::Special);
        }
        let permissions = Permissions::from_mode(mode);
        let file = tempfile::Builder::new()
            .prefix(".stockmeter-")
            .permissions(permissions)
            .tempfile_in(folder(path))?;
        Ok(Self::New(file, path.to_owned()))
    }

    /// Gives a complete file its name, and replaces an existing file.
    pub fn replace(self) -> io::Result<()> {
        self.finish(|file, path| file.persist(path).map_err(|error| error.error))
    }

    /// Gives a complete file its name, which no other file may have.
    pub fn keep(self) -> io::Result<()> {
        self.finish(|file, path| file.persist_noclobber(path).map_err(|error| error.error))
    }

    fn finish(mut self, persist: impl Fn(NamedTempFile, &Path) -> io::Result<File>) -> io::Result<()> {
        let Self::New(file, path) = self else {
            return self.flush();
        };
        file.as_file().sync_all()?;
        persist(file, &path)?;
        // The name is on disk once the folder is.
        File::open(folder(&path))?.sync_all()
    }
}

/// Returns the folder of a file.
pub(super) fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(output) => output.write(bytes),
            Self::Special(output) => output.write(bytes),
            Self::New(output, _) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(output) => output.flush(),
            Self::Special(output) => output.flush(),
            Self::New(output, _) => output.flush(),
        }
    }
}

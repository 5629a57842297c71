//! Progress of commands that take long.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    time::Instant,
};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

/// Returns a progress bar, which is shown only on a terminal.
pub(super) fn progress(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Reports a number of products and the time since `start`.
pub(super) fn report(action: &str, count: u64, start: Instant) {
    eprintln!("{action} {} products in {}", HumanCount(count), HumanDuration(start.elapsed()));
}

/// A file that shows in a progress bar how much was read. It is read twice: to check it, then to store it.
#[derive(Debug)]
pub(super) struct ProgressReader {
    file: File,
    bar: ProgressBar,
}

impl ProgressReader {
    /// Returns the reader and its bar.
    pub fn new(file: File) -> io::Result<(Self, ProgressBar)> {
        let length = file.metadata()?.len();
        let bar = progress(length, "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {eta}");
        bar.set_message("checking");
        Ok((Self { file, bar: bar.clone() }, bar))
    }
}

impl Read for ProgressReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.bar.inc(length as u64);
        Ok(length)
    }
}

impl Seek for ProgressReader {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bar.set_message("storing");
        self.bar.set_position(0);
        self.file.seek(position)
    }
}

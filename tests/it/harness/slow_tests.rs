//! Reports slow tests to `scripts/test`, which lists them at its end.

use std::{
    fs::OpenOptions,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

/// Duration above which a test is reported.
const SLOW: Duration = Duration::from_secs(10);

/// Variable with the file that receives the durations and names.
const FILE_VAR: &str = "SLOW_TESTS_FILE";

/// Measures a test from its first server until the last one is dropped.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    _running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    test: String,
    start: Instant,
}

impl Stopwatch {
    /// Starts to measure the test that runs on this thread.
    pub fn start() -> Self {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        Self { _running: Arc::new(Running { test, start: Instant::now() }) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        let Some(path) = std::env::var_os(FILE_VAR).filter(|_| duration > SLOW) else {
            return;
        };
        let line = format!("{:5.1} s  {}\n", duration.as_secs_f64(), self.test);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

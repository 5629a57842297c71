//! The `stockmeter` binary. Everything but the allocator is in the library, so that tests and binary share its compiled code.

use std::process::ExitCode;

/// mimalloc is faster than the system's allocator, and builds in seconds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stockmeter::cli::run()
}

//! Runs the scripts in tests/clients, whose packages `scripts/test` installs from the npm registry.

use std::{path::Path, process::Stdio};

use tokio::process::{Child, Command};

use super::TIMEOUT;

/// Starts a script.
pub fn start_script(script: &str, arguments: &[&str]) -> Child {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(folder.join("node_modules").exists(), "the clients are not installed: run scripts/test");
    let mut node = Command::new("node");
    node.current_dir(folder).arg(script).args(arguments).kill_on_drop(true);
    let node = node.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    node.spawn().expect("Node.js is installed (Debian: apt-get install nodejs npm)")
}

/// Runs a script, asserts that it succeeds, and returns its output.
pub async fn run_script(script: &str, arguments: &[&str]) -> String {
    let output = tokio::time::timeout(TIMEOUT * 2, start_script(script, arguments).wait_with_output());
    let output = output.await.expect("the script ends in time").unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{script}: {text}");
    text
}

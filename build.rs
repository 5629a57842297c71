//! Embeds the playground's files if `scripts/playground` has built them.

use std::{
    fs,
    hash::{DefaultHasher, Hasher},
    path::Path,
};

/// Must match the list in `src/graphql/transport/playground.rs`.
const FILES: [&str; 5] = ["main.js", "main.css", "editor.worker.js", "graphql.worker.js", "json.worker.js"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(playground)");
    let folder = Path::new("playground/dist");
    // Cargo reruns the script on every build if a watched path is missing.
    let watched = if folder.exists() { folder } else { Path::new("playground") };
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut hasher = DefaultHasher::new();
    for name in FILES {
        match fs::read(folder.join(format!("{name}.gz"))) {
            Ok(file) => hasher.write(&file),
            Err(_) => return,
        }
    }
    println!("cargo::rustc-cfg=playground");
    println!("cargo::rustc-env=PLAYGROUND_BUILD={:016x}", hasher.finish());
}

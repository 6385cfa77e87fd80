//! What stands in `deploy/`, and what the program says to whoever runs it.

mod container;
mod notify;
mod start;
mod units;

use std::path::{Path, PathBuf};

/// The text of a file of the repository.
fn text(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program of systemd; `None`, and a word about it, where this machine has none.
fn systemd(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: there is no {name}; `cargo xtask test` says how to have it");
    }
    found
}

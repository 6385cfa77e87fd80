//! Tells the program which revision it is built of: `DEADLINE_PROXY_REVISION`.
//!
//! The first digits of the commit, and `-dirty` where what it is built of differs from it; `unknown` without git, or
//! outside of a repository, as in a package from a registry. Runs again when the commit or the sources change, and not
//! otherwise.

use std::path::Path;
use std::process::Command;

/// What the program is built of, from its package.
const SOURCES: [&str; 6] =
    [".", "../http-deadline", "../tower-deadline", "../deadline-sql", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let revision = revision().unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=DEADLINE_PROXY_REVISION={revision}");
}

fn revision() -> Option<String> {
    // Unpacked within a repository of somebody else's, this is no part of it.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // The commit changes with what HEAD says, or with the branch that it names, of which there may be no file yet.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for file in ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        watch(&git(&["rev-parse", "--git-path", file])?);
    }
    let sources = SOURCES.into_iter().filter(|source| Path::new(source).exists());
    let sources: Vec<_> = sources.inspect(|source| watch(source)).collect();
    // Looks, and leaves no trace of it in the index: that would be a change.
    let status = [&["--no-optional-locks", "status", "--porcelain", "--"][..], &sources].concat();
    let is_dirty = !git(&status)?.is_empty();
    Some(if is_dirty { commit + "-dirty" } else { commit })
}

/// Runs this again when the file, or one in this directory, changes. One that is not there would have changed always.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// What git says, if it says something.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

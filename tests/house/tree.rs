//! The files of the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::Table;

use super::Outcome;
use super::source::Source;

/// A package of the workspace.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) manifest: Table,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of one file.
pub(super) fn text(path: &str) -> Outcome<String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}").into())
}

/// The text of a file, or nothing in particular of a folder; `None` where neither is.
pub(super) fn readable(path: &str) -> Option<String> {
    let path = root().join(path.trim_start_matches('/'));
    // A folder, or a picture, has no headings.
    if path.is_dir() {
        Some(String::new())
    } else {
        fs::read(path).ok().map(|bytes| String::from_utf8(bytes).unwrap_or_default())
    }
}

/// The papers for users, each with its path.
pub(super) fn papers() -> Outcome<Vec<(String, String)>> {
    let mut paths = Vec::new();
    walk(&root(), "", &mut paths)?;
    paths.retain(|path| path.ends_with(".md") && (path.starts_with("docs/") || !path.contains('/')));
    paths.sort();
    paths.into_iter().map(|path| text(&path).map(|text| (path, text))).collect()
}

/// The files below a folder that end so, each with its path.
pub(super) fn files(folder: &str, end: &str) -> Outcome<Vec<(String, String)>> {
    let mut paths = Vec::new();
    walk(&root().join(folder), &format!("{folder}/"), &mut paths)?;
    paths.retain(|path| path.ends_with(end));
    paths.sort();
    paths.into_iter().map(|path| text(&path).map(|text| (path, text))).collect()
}

/// The manifest of the workspace.
pub(super) fn workspace() -> Outcome<Table> {
    Ok(text("Cargo.toml")?.parse()?)
}

/// Every package of the workspace.
pub(super) fn members() -> Outcome<Vec<Member>> {
    let workspace = workspace()?;
    let paths = workspace["workspace"]["members"].as_array().ok_or("no members")?;
    paths
        .iter()
        .map(|path| {
            let path = path.as_str().ok_or("a member is no text")?;
            let manifest: Table = text(&format!("{path}/Cargo.toml"))?.parse()?;
            let name = manifest["package"]["name"].as_str().ok_or("a package without a name")?.to_owned();
            Ok(Member { name, manifest })
        })
        .collect()
}

/// Every Rust file, with its path.
pub(super) fn rust_files() -> Outcome<Vec<(String, String)>> {
    let mut paths = Vec::new();
    walk(&root(), "", &mut paths)?;
    paths.retain(|path| path.ends_with(".rs"));
    paths.sort();
    paths.into_iter().map(|path| text(&path).map(|text| (path, text))).collect()
}

/// Every Rust file that is not for tests alone, without what in it is.
pub(super) fn sources() -> Outcome<Vec<Source>> {
    let files = rust_files()?.into_iter().filter(|(path, _)| !is_for_tests(path));
    let sources: Vec<Source> = files.map(|(path, text)| Source::parse(&path, &text)).collect();
    let declared = |path: &str| sources.iter().any(|source| source.declares_for_tests(path));
    let kept: Vec<bool> = sources.iter().map(|source| !declared(&source.path)).collect();
    Ok(sources.into_iter().zip(kept).filter_map(|(source, kept)| kept.then_some(source)).collect())
}

fn walk(dir: &Path, prefix: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if !entry.file_type()?.is_dir() {
            paths.push(path);
        } else if name != "target" && !name.starts_with('.') {
            walk(&entry.path(), &format!("{path}/"), paths)?;
        }
    }
    Ok(())
}

fn is_for_tests(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn knows_a_source_from_a_test() {
    assert!(!is_for_tests("crates/http-deadline/src/deadline.rs") && !is_for_tests("xtask/src/test.rs"));
    for path in ["tests/house.rs", "crates/a/tests/b/c.rs", "crates/a/src/b/tests.rs"] {
        assert!(is_for_tests(path), "{path}");
    }
}

#[test]
fn the_sources_of_every_floor_are_found() -> Outcome {
    let sources = sources()?;
    for path in ["crates/http-deadline/src/lib.rs", "crates/tower-deadline/src/timer.rs", "xtask/src/main.rs"] {
        assert!(sources.iter().any(|source| source.path == path), "{path}");
    }
    Ok(())
}

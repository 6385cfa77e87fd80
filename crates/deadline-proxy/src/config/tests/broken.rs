//! Every way to get a file wrong that we could think of, each with all that is said of it.
//!
//! A file in `broken/` is what is read, and behind that, each after `#! `, are the complaints, without the name of the
//! file.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// What is in the environment.
fn variable(name: &str) -> Option<String> {
    match name {
        "BROKEN" => Some("top\nsecret".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// What is read, and what is said of it.
fn parts(file: &str) -> (String, Vec<&str>) {
    let (read, said): (Vec<_>, Vec<_>) = file.split_inclusive('\n').partition(|line| !line.starts_with("#! "));
    (read.concat(), said.into_iter().map(|line| line["#! ".len()..].trim_end()).collect())
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/broken");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_broken_file_is_told_with_every_place_and_what_was_expected() {
    let files = files();
    assert!(files.len() > 120, "{} files", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let (file, name) = (fs::read_to_string(path).unwrap(), path.file_stem().unwrap().to_string_lossy());
        let (text, expected) = parts(&file);
        let error = parse("f", &text, &variable).err().map(|error| error.to_string()).unwrap_or_default();
        let said: Vec<_> = error.lines().map(|line| line.strip_prefix("f:").unwrap_or(line)).collect();
        if said != expected || said.is_empty() {
            wrong.push(format!(
                "{name}\n  said     {}\n  expected {}",
                said.join("\n           "),
                expected.join("\n           ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_value_of_a_variable_is_ever_told() {
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let told = parse("f", &text, &variable).map(|settings| format!("{settings:?}"));
        let told = told.unwrap_or_else(|error| format!("{error} {error:?}"));
        assert!(!told.contains("secret"), "{}: {told}", path.display());
    }
}

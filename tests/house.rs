//! The house: what must be true of the repository's own files.
//!
//! Covers the arrows between the packages, where clocks and header names may be named, how long files and
//! functions are, and what manifests and papers owe. Each check is a pure function of text that returns
//! complaints; beside it stands a test on the repository and one on input that it must complain of.

use std::error::Error;

mod arrows;
mod conformance;
mod levels;
mod lexer;
mod links;
mod manifests;
mod papers;
mod places;
mod sizes;
mod source;
mod tree;
mod words;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Passes where there is nothing to complain of, else fails with all of it.
#[track_caller]
fn nothing_in(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

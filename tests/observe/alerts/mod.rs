//! The rules and the dashboard in `deploy/`: by promtool, and by a Prometheus that scrapes what runs.

mod dashboard;
mod papers;
mod prometheus;
mod promql;
mod rules;
mod scraping;
mod table;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::prometheus::Prometheus;

/// Where the files for Prometheus are.
const RULES: &str = "deploy/prometheus/rules.yml";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The text of a file of the repository.
fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What promtool has against it, if it has something.
fn promtool(arguments: &[&str]) -> Result<(), String> {
    let output = match Command::new("promtool").args(arguments).stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{}", missing("promtool")),
        output => output.expect("promtool can be run"),
    };
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}

fn missing(program: &str) -> String {
    format!("there is no {program} in PATH: `cargo xtask test` installs it where it may, and else says how to have it")
}

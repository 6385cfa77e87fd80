//! `cargo xtask bench`: what each layer costs, in instructions and allocations, beside what else there is.
//!
//! Covers the tools (valgrind, and the runner in `target/tools`), the two runs, the table, and the gate that holds
//! the counts to a baseline. Does not take the time: that is `cargo bench -p deadline-benches --bench time`, whose figures
//! are for one machine on one day.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::step::{Step, root};
use crate::{Outcome, machine};

mod gate;
mod proxy;
mod table;

/// The version that the benches are compiled against: the runner refuses any other.
const RUNNER: &str = "gungraun-runner 0.20.0";

/// Figures to stand beside ours.
const REFERENCES: &str = "benches/references.txt";

const COUNT: &str = "cargo bench -p deadline-benches --bench instructions";
const ALLOCATE: &str = "cargo bench -p deadline-benches --bench allocations";

/// The counts, what is done with them where that is named, or the other bench.
pub(crate) fn run(args: &[&str]) -> Outcome {
    match args {
        [] => count(),
        ["--check"] => gate::check(),
        ["--accept"] => gate::accept(),
        ["proxy", rest @ ..] => proxy::run(rest),
        [other, ..] => Err(format!("`bench` knows no `{other}`, but `--check`, `--accept` and `proxy`")),
    }
}

fn count() -> Outcome {
    machine::prepare(&machine::VALGRIND)?;
    let counted = counted()?;
    let allocated = Step::new(ALLOCATE).read()?;
    let references = fs::read_to_string(root().join(REFERENCES)).map_err(|error| format!("{REFERENCES}: {error}"))?;
    print!("\n{}", table::print(&counted, &allocated, &references)?);
    Ok(())
}

/// What the benches print that count instructions.
fn counted() -> Outcome<String> {
    Step::new(COUNT).env("GUNGRAUN_RUNNER", runner()?).env("NO_COLOR", "1".into()).read()
}

/// The runner, installed where it is not.
fn runner() -> Outcome<PathBuf> {
    let runner = root().join("target/tools/bin/gungraun-runner");
    let version = Command::new(&runner).arg("--version").output();
    if !version.is_ok_and(|output| output.stdout.trim_ascii() == RUNNER.as_bytes()) {
        let (name, version) = RUNNER.split_once(' ').unwrap_or_default();
        let install = format!("cargo install {name} --version {version} --locked --force --root target/tools");
        Step::new(&install).run()?;
    }
    Ok(runner)
}

//! `cargo xtask suites`: real clients, and the suites of others, through the proxy.
//!
//! Covers building the proxy, what each suite needs, running its script under a limit of time, and one table of all
//! checks. What is checked stands in the scripts, `tests/suites/NAME/`. A suite that cannot be had here is named as
//! skipped; one that is not good fails.

use std::fs;

use crate::Outcome;
use crate::step::{Step, root};

mod autobahn;
mod clients;
mod conformance;
mod go_reverseproxy;
mod grpcio;
mod hostile;
mod latency;
mod memory;
mod overhead;
mod peers;
mod script;
mod soak;
mod table;

use self::script::Script;
use self::table::{Check, Table, Verdict};

/// Something that others have written, or a program of theirs.
struct Suite {
    name: &'static str,
    /// Installs what it needs; where that cannot be had, the reason.
    prepare: fn() -> Outcome,
    script: Script,
}

const SUITES: [Suite; 12] = [
    go_reverseproxy::SUITE,
    autobahn::SUITE,
    grpcio::SUITE,
    clients::SUITE,
    memory::SUITE,
    peers::SUITE,
    conformance::SUITE,
    latency::SUITE,
    hostile::SUITE,
    overhead::SUITE,
    soak::SUITE,
    soak::SQL,
];

/// Of all suites.
pub(crate) fn names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// Those that are named, or all.
pub(crate) fn run(named: &[&str]) -> Outcome {
    let asked = |suite: &&Suite| named.is_empty() || named.contains(&suite.name);
    let mut table = Table::default();
    for suite in SUITES.iter().filter(asked) {
        let checks = suite.run()?;
        print!("\n{}", Table::of(suite.name, &checks));
        table.add(suite.name, checks);
    }
    println!("\n{}", table.totals());
    table.verdict()
}

impl Suite {
    /// An error is one of ours: the proxy does not build.
    fn run(&self) -> Outcome<Vec<Check>> {
        println!("\n==> suite {}", self.name);
        let program = self.script.build()?;
        Ok(match (self.prepare)() {
            Ok(()) => self.script.run(&program),
            Err(why) => vec![Check::new(Verdict::Skipped, "the suite cannot be had here", &why)],
        })
    }
}

/// A folder for what a suite installs and writes.
fn folder(name: &str) -> Outcome<String> {
    let folder = format!("target/suites/{name}");
    fs::create_dir_all(root().join(&folder)).map_err(|error| format!("{folder}: {error}"))?;
    Ok(folder)
}

/// Packages of Python's own, in a folder of their own.
fn python_packages(folder: &str, requirements: &str) -> Outcome {
    if !root().join(folder).join("bin/pip").exists() {
        Step::new(&format!("python3 -m venv {folder}")).run()?;
    }
    Step::new(&format!("{folder}/bin/pip install -q --disable-pip-version-check -r {requirements}")).run()
}

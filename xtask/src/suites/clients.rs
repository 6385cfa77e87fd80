//! Clients that people have: curl, h2load, Node, the JDK, Python.

use std::time::Duration;

use super::Suite;
use super::script::{Build, Script};
use crate::Outcome;
use crate::machine::{self, CURL, H2LOAD, JAVA, NODE, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "clients",
    prepare,
    script: Script {
        command: "python3 tests/suites/clients/run.py",
        limit: Duration::from_secs(600),
        build: Build::Debug,
    },
};

/// The script skips by name what is not there then.
fn prepare() -> Outcome {
    for tool in [CURL, H2LOAD, JAVA, NODE] {
        machine::prepare(&tool).unwrap_or_else(|lacking| println!("{lacking}"));
    }
    machine::prepare(&PYTHON)
}

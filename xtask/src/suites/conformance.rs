//! The conformance table: this proxy beside nginx, HAProxy and Caddy, written into `docs/`.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder, python_packages};
use crate::Outcome;
use crate::machine::{self, HAPROXY, NGINX, PYTHON_VENV};

pub(super) const SUITE: Suite = Suite {
    name: "conformance",
    prepare,
    script: Script {
        command: "target/suites/conformance/bin/python tests/suites/conformance/run.py target/suites/conformance docs/conformance.md",
        limit: Duration::from_secs(600),
        build: Build::Debug,
    },
};

/// All of them: a table with a hole in it is not written.
fn prepare() -> Outcome {
    for tool in [NGINX, HAPROXY, PYTHON_VENV] {
        machine::prepare(&tool)?;
    }
    python_packages(&folder(SUITE.name)?, "tests/suites/conformance/requirements.txt")
}

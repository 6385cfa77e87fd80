//! A soak, after which the proxy holds what it held before.

use std::time::Duration;

use super::Suite;
use super::script::{Build, Script};
use crate::Outcome;
use crate::machine::{self, CURL, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "soak",
    prepare,
    script: Script {
        command: "python3 tests/suites/soak/run.py",
        // Half an hour as a rule, and the build of the tests before it.
        limit: Duration::from_secs(3 * 3_600),
        build: Build::Release,
    },
};

fn prepare() -> Outcome {
    machine::prepare(&CURL)?;
    machine::prepare(&PYTHON)
}

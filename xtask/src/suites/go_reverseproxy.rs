//! Go's tests of its own reverse proxy.

use std::time::Duration;

use super::Suite;
use super::script::{Build, Script};
use crate::Outcome;
use crate::machine::{self, GO, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "go-reverseproxy",
    prepare,
    script: Script {
        command: "python3 tests/suites/go-reverseproxy/run.py",
        limit: Duration::from_secs(600),
        build: Build::Debug,
    },
};

fn prepare() -> Outcome {
    machine::prepare(&PYTHON)?;
    machine::prepare(&GO)
}

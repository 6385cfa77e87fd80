//! grpcio, whose servers say how much time they think is left.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder, python_packages};
use crate::Outcome;
use crate::machine::{self, PYTHON_VENV};

pub(super) const SUITE: Suite = Suite {
    name: "grpcio",
    prepare,
    script: Script {
        command: "target/suites/grpcio/bin/python tests/suites/grpcio/run.py",
        limit: Duration::from_secs(600),
        build: Build::Debug,
    },
};

fn prepare() -> Outcome {
    machine::prepare(&PYTHON_VENV)?;
    python_packages(&folder(SUITE.name)?, "tests/suites/grpcio/requirements.txt")
}

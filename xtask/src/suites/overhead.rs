//! What it costs to tell of requests, with everything switched on beside everything off.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder};
use crate::Outcome;
use crate::machine::{self, H2LOAD, NGINX, PYTHON, VALGRIND};

pub(super) const SUITE: Suite = Suite {
    name: "overhead",
    prepare,
    script: Script {
        command: "python3 tests/suites/overhead/run.py target/suites/overhead",
        limit: Duration::from_secs(3_600),
        build: Build::Release,
    },
};

/// nginx is the upstream.
fn prepare() -> Outcome {
    for tool in [NGINX, H2LOAD, PYTHON, VALGRIND] {
        machine::prepare(&tool)?;
    }
    folder(SUITE.name).map(drop)
}

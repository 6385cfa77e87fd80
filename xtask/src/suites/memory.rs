//! Memory that idle connections keep, beside nginx and HAProxy.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder};
use crate::Outcome;
use crate::machine::{self, HAPROXY, NGINX, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "memory",
    prepare,
    script: Script {
        command: "python3 tests/suites/memory/run.py target/suites/memory",
        limit: Duration::from_secs(900),
        build: Build::Release,
    },
};

/// The script skips by name what is not there then.
fn prepare() -> Outcome {
    for tool in [NGINX, HAPROXY] {
        machine::prepare(&tool).unwrap_or_else(|lacking| println!("{lacking}"));
    }
    machine::prepare(&PYTHON)?;
    folder(SUITE.name).map(drop)
}

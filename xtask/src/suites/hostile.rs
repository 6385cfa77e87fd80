//! A million requests of clients that write what they like: labels stay bounded, and memory flat.

use std::time::Duration;

use super::Suite;
use super::script::{Build, Script};
use crate::machine::{self, CURL, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "hostile",
    prepare: || machine::prepare(&PYTHON).and_then(|()| machine::prepare(&CURL)),
    script: Script {
        command: "python3 tests/suites/hostile/run.py",
        limit: Duration::from_secs(3 * 3_600),
        build: Build::Release,
    },
};

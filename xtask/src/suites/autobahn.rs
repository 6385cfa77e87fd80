//! Autobahn|Testsuite: the bytes of a WebSocket are the same through a tunnel.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder};
use crate::Outcome;
use crate::machine::{self, PYTHON_VENV};
use crate::step::Step;

pub(super) const SUITE: Suite = Suite {
    name: "autobahn",
    prepare,
    script: Script {
        command: "python3 tests/suites/autobahn/run.py target/suites/autobahn",
        limit: Duration::from_secs(600),
        build: Build::Debug,
    },
};

/// An old interpreter and old packages, which concern nobody else.
fn prepare() -> Outcome {
    machine::prepare(&PYTHON_VENV)?;
    Step::new(&format!("python3 tests/suites/autobahn/install.py {}", folder(SUITE.name)?)).run()
}

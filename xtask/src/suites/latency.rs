//! What the proxy adds to the time of a request, beside nginx and HAProxy.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder};
use crate::Outcome;
use crate::machine::{self, H2LOAD, HAPROXY, NGINX, PYTHON};

pub(super) const SUITE: Suite = Suite {
    name: "latency",
    prepare,
    script: Script {
        command: "python3 tests/suites/latency/run.py target/suites/latency",
        limit: Duration::from_secs(1_800),
        build: Build::Dist,
    },
};

/// nginx is the upstream, too; the script skips by name another peer that is not there then.
fn prepare() -> Outcome {
    machine::prepare(&HAPROXY).unwrap_or_else(|lacking| println!("{lacking}"));
    for tool in [NGINX, H2LOAD, PYTHON] {
        machine::prepare(&tool)?;
    }
    folder(SUITE.name).map(drop)
}

//! The edges of HTTP, beside other proxies: nginx, HAProxy, Caddy, Traefik, nghttpx.

use std::time::Duration;

use super::script::{Build, Script};
use super::{Suite, folder, python_packages};
use crate::Outcome;
use crate::machine::{self, HAPROXY, NGHTTPX, NGINX, PYTHON, PYTHON_VENV};

pub(super) const SUITE: Suite = Suite {
    name: "peers",
    prepare,
    script: Script {
        command: "python3 tests/suites/peers/run.py target/suites/peers",
        limit: Duration::from_secs(300),
        build: Build::Release,
    },
};

/// The script skips by name what is not there then.
fn prepare() -> Outcome {
    for tool in [NGINX, HAPROXY, NGHTTPX] {
        machine::prepare(&tool).unwrap_or_else(|lacking| println!("{lacking}"));
    }
    let folder = folder(SUITE.name)?;
    let packages = machine::prepare(&PYTHON_VENV);
    let packages = packages.and_then(|()| python_packages(&folder, "tests/suites/peers/requirements.txt"));
    packages.unwrap_or_else(|lacking| println!("{lacking}"));
    machine::prepare(&PYTHON)
}

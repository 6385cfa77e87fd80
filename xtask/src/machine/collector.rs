//! The collector of traces that tests send to: `rotel`, which comes as a wheel of Python's and is a program of its own.
//!
//! Covers having the pinned one under `target/tools/rotel`, checked by its hash. Does not build it: a machine for which
//! there is no wheel names another build of it in `ROTEL`, which the tests read too.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::PYTHON_VENV;
use crate::Outcome;
use crate::step::{Step, root};

/// An environment of Python's, for its `pip`.
const HOME: &str = "target/tools/rotel";

/// Where the tests look for it.
const PROGRAM: &str = "target/tools/rotel/bin/rotel";

/// Which one, and its hashes.
const REQUIREMENTS: &str = "tests/observe/collector.txt";

/// Many times what 10 MB take.
const LIMIT: Duration = Duration::from_secs(300);

/// Looks for the collector, and installs it where it is not there.
pub(crate) fn prepare() -> Outcome {
    println!("\n==> looking for rotel, a collector of traces");
    if let Some(program) = env::var_os("ROTEL") {
        return runs(program).map_err(|wrong| format!("ROTEL: {wrong}"));
    }
    let requirements =
        fs::read_to_string(root().join(REQUIREMENTS)).map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    let version = pinned(&requirements).ok_or_else(|| format!("{REQUIREMENTS}: no line `rotel==VERSION`"))?;
    let wheel = format!("{HOME}/wheel-{version}");
    let program = root().join(PROGRAM);
    if root().join(&wheel).exists() && runs(program.clone().into()).is_ok() {
        return Ok(());
    }
    let platform = platform(env::consts::OS, env::consts::ARCH)
        .ok_or("rotel is missing, and has no wheel for this machine; build it, and name it in ROTEL")?;
    super::prepare(&PYTHON_VENV)?;
    install(platform, &wheel).map_err(|wrong| format!("rotel is missing, and cannot be installed: {wrong}"))?;
    runs(program.into()).map_err(|wrong| format!("{wrong}; name another build of it in ROTEL"))
}

fn install(platform: &str, wheel: &str) -> Outcome {
    let found = root().join(wheel).join("rotel/rotel-agent");
    Step::new(&format!("python3 -m venv {HOME}")).within(LIMIT).run()?;
    // Nothing of it is Python's, so the wheel for one version does for all.
    let pip = format!(
        "{HOME}/bin/pip install -q --disable-pip-version-check --timeout 30 --retries 2 --no-deps --only-binary=:all: \
         --implementation cp --python-version 3.11 --platform {platform} --require-hashes --upgrade --target {wheel} \
         -r {REQUIREMENTS}"
    );
    Step::new(&pip).within(LIMIT).run().map_err(|wrong| format!("{wrong}, which needs a network"))?;
    let program = root().join(PROGRAM);
    // What an earlier version left there.
    let _absent = fs::remove_file(&program);
    fs::hard_link(&found, &program).map_err(|error| format!("{}: {error}", found.display()))
}

/// Whether this machine can run it: it wants a C library of its time.
fn runs(program: OsString) -> Outcome {
    let name = Path::new(&program).display();
    let output = Command::new(&program).arg("--version").output();
    let output = output.map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() && output.stdout.starts_with(b"rotel ") {
        return Ok(());
    }
    Err(format!("{name} is no rotel that runs here: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// What wheels call a machine; `None` where there is none for it.
fn platform(os: &str, arch: &str) -> Option<&'static str> {
    match (os, arch) {
        ("linux", "x86_64") => Some("manylinux_2_34_x86_64"),
        ("linux", "aarch64") => Some("manylinux_2_34_aarch64"),
        ("macos", "aarch64") => Some("macosx_12_3_arm64"),
        _ => None,
    }
}

fn pinned(requirements: &str) -> Option<&str> {
    let version = requirements.lines().find_map(|line| line.strip_prefix("rotel=="))?;
    version.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_pinned_with_a_hash_for_each_machine_that_has_a_wheel() {
        let requirements = fs::read_to_string(root().join(REQUIREMENTS)).unwrap();
        assert!(pinned(&requirements).is_some_and(|version| version.starts_with("0.")), "{requirements}");
        let systems = ["linux", "macos", "windows"];
        let machines = systems.iter().flat_map(|os| ["x86_64", "aarch64", "riscv64"].map(|arch| platform(os, arch)));
        assert_eq!(machines.flatten().count(), requirements.matches("--hash=sha256:").count());
        assert_eq!(pinned("# rotel==1\nrotel==2 \\\n"), Some("2"));
        assert_eq!(pinned("rotel>=2\n"), None);
    }

    #[test]
    fn what_cannot_be_run_or_is_something_else_is_named() {
        assert!(runs("no-such-program-anywhere".into()).is_err_and(|wrong| wrong.contains("cannot be run")));
        assert!(runs("cargo".into()).is_err_and(|wrong| wrong.starts_with("cargo is no rotel")));
    }
}

//! `cargo xtask test`: from a machine with a Rust toolchain to every test passed.

use crate::step::Step;
use crate::{Outcome, features, machine};

/// Binaries and examples are built first, because tests start them. Both commands take the same features, so
/// that nothing is built twice.
const BUILD: &str = "cargo build --workspace --all-targets --all-features";

/// Unit tests, integration tests and those in the documentation; all of them, also after one has failed.
const TEST: &str = "cargo test --workspace --all-features --no-fail-fast";

pub(crate) fn run() -> Outcome {
    machine::prepare(&machine::CURL)?;
    machine::prepare(&machine::POSTGRES)?;
    machine::prepare(&machine::PROMTOOL)?;
    machine::prepare(&machine::PROMETHEUS)?;
    // Before the browser: it brings the one that it drives.
    machine::prepare(&machine::CHROMEDRIVER)?;
    machine::prepare(&machine::CHROMIUM)?;
    machine::prepare_collector()?;
    machine::prefer(&machine::PGBOUNCER);
    machine::prefer(&machine::SYSTEMD);
    Step::new(BUILD).run()?;
    for package in features::published()? {
        package.checks().iter().try_for_each(|check| Step::new(check).run())?;
    }
    Step::new(TEST).run()
}

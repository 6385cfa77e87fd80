//! What the proxy tells an operator as it happens, on standard error.
//!
//! Covers what changes (a certificate, an endpoint's health) and what fails beside any request. Requests are counted,
//! and not told here.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Writes events from here on. `RUST_LOG` chooses which, `info` and above by default; what it has of bad directives is
/// passed over.
pub(crate) fn install() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let written = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        .try_init();
    // Somebody else in this process has installed theirs, which then is the one.
    drop(written);
}

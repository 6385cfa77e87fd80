//! `cargo xtask bench proxy`: what a request through the proxy costs, beside other proxies, in one run.
//!
//! Covers installing the peers and telling them what to do, starting everything on loopback with the proxy on a core of
//! its own, rounds by turns, medians with their quartiles, and the paper `docs/performance.md`. Does not count what a
//! layer costs: that is `cargo xtask bench`.
//!
//! A ratio is refused where requests failed, or where a proxy did not get its core: the table says so, and why.

use self::options::{Options, USAGE};
use self::report::Report;
use self::setting::Setting;
use crate::{Outcome, machine};

mod cases;
mod contest;
mod load;
mod options;
mod peers;
mod proc;
mod process;
mod report;
mod sample;
mod setting;
mod spread;

pub(super) fn run(args: &[&str]) -> Outcome {
    if args.iter().any(|arg| matches!(*arg, "-h" | "--help")) {
        println!("{USAGE}\n\nCases:\n{}", cases::told());
        return Ok(());
    }
    let mut options = Options::parse(args)?;
    machine::prepare(&machine::H2LOAD)?;
    options.peers = peers::prepare(&options.peers)?;
    let setting = Setting::new(options)?;
    let _upstream = setting.upstream(setting.options.port, 1)?;
    let mut report = Report::default();
    for case in &setting.options.cases {
        case.run(&setting, &mut report)?;
    }
    if setting.options.write { report.write(&setting) } else { Ok(()) }
}

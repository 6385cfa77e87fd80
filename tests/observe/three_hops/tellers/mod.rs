//! Who tells of a run: one file for each.

pub(super) mod access_log;
pub(super) mod answer;
pub(super) mod counts;
pub(super) mod expired;
pub(super) mod ledger;
mod line;
pub(super) mod log;
pub(super) mod trace;

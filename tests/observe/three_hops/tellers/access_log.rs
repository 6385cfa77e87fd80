//! The access log of the proxy: one line for each request.

use std::fs;

use serde_json::Value;

use super::line;
use crate::observe::three_hops::chain::Chain;
use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told};
use crate::support::eventually;

pub(in super::super) async fn told(chain: &Chain, run: &Run) -> Told {
    let path = chain.access_log();
    let find = || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["path"] == run.path.as_str())
    };
    eventually("a line of the access log", || find().is_some()).await;
    let line = find().expect("it was there");
    line::words("access log", &line).time(Time::Took(Place::Proxy), line["duration_ms"].as_f64())
}

//! The operator's log of the proxy: what it has stopped itself, and what was stopped below at a limit that it knows.

use crate::observe::three_hops::chain::Chain;
use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told, Word};
use crate::support::eventually;

/// How much has been said up to now.
pub(in super::super) fn now(chain: &Chain) -> usize {
    chain.proxy.program.said().len()
}

pub(in super::super) async fn told(chain: &Chain, run: &Run, before: usize) -> Told {
    let told = Told::by("log");
    // A limit that a hop below has of its own is for the log of that hop.
    if run.limit.hop().is_some_and(|setter| setter > Place::Proxy) {
        return told;
    }
    let find = || {
        let said = chain.proxy.program.said();
        let mut lines = said[before..].lines();
        lines.find(|line| line.contains("request stopped")).map(str::to_owned)
    };
    eventually("a line of the log", || find().is_some()).await;
    let line = find().expect("it was there");
    let word = |key: &str| {
        let value = line.split_once(&format!(" {key}="))?.1;
        value.split(' ').next().map(|value| value.trim_matches('"').to_owned())
    };
    let own = word("hop").filter(|_| word("origin").as_deref() != Some("header"));
    told.word(Word::Hop, word("stopped_by").or(word("hop")))
        .word(Word::Stage, word("stopped_in").or(word("stage")))
        .word(Word::Cause, word("cause"))
        .word(Word::Origin, word("origin"))
        .word(Word::OriginHop, own)
        .time(Time::Took(Place::Proxy), word("elapsed_ms").and_then(|elapsed| elapsed.parse().ok()))
}

//! The ledger: an entry of each hop in `Server-Timing`, the last hop first.

use http_deadline::dialect::server_timing::SERVER_TIMING;

use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told, Word};

/// What one hop says of itself.
struct Entry<'a> {
    place: Place,
    took: Option<f64>,
    /// Pairs of a word and a value.
    said: Vec<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    /// `None` where it is no hop's.
    fn parse(metric: &'a str) -> Option<Self> {
        let (name, rest) = metric.trim().strip_prefix("hop.")?.split_once(';')?;
        let place = Place::ALL.into_iter().find(|place| place.name() == name)?;
        let took = rest.split(';').find_map(|part| part.strip_prefix("dur=")?.parse().ok());
        let said = rest.split("desc=\"").nth(1)?.split('"').next()?;
        Some(Self { place, took, said: said.split(' ').filter_map(|pair| pair.split_once('=')).collect() })
    }

    fn said(&self, key: &str) -> Option<&'a str> {
        self.said.iter().find(|(said, _)| *said == key).map(|(_, value)| *value)
    }
}

pub(in super::super) fn told(run: &Run) -> Told {
    let fields = run.head.headers.get_all(&SERVER_TIMING);
    let fields: Vec<&str> = fields.iter().filter_map(|field| field.to_str().ok()).collect();
    let entries: Vec<Entry<'_>> = fields.iter().flat_map(|field| field.split(',')).filter_map(Entry::parse).collect();
    let stopped = entries.iter().find(|entry| entry.said("stage").is_some());
    let told = Told::by("ledger")
        .word(Word::Hop, stopped.map(|entry| entry.place.name()))
        .word(Word::Stage, stopped.and_then(|entry| entry.said("stage")))
        .word(Word::Cause, stopped.and_then(|entry| entry.said("cause")));
    let told =
        told.word(Word::Hops, Some(entries.iter().map(|entry| entry.place.name()).collect::<Vec<_>>().join(" ")));
    entries.iter().fold(told, |told, entry| {
        let told = told.time(Time::Took(entry.place), entry.took);
        // Who stops the request before it calls anybody has sent nothing.
        if entry.place < run.hop() { told.time(Time::Sent(entry.place), sent(entry)) } else { told }
    })
}

fn sent(entry: &Entry<'_>) -> Option<f64> {
    entry.said("sent")?.parse().ok()
}

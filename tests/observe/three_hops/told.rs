//! What is said of a run: by the test, which knows, and by each who tells of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::slow::{Limit, Place, Slow};
use crate::support::MS;

/// How far a time may be off.
pub(super) const CLOSE: Duration = Duration::from_millis(5);

/// What may be said in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Who stopped it.
    Hop,
    Stage,
    Cause,
    /// What kind of limit it was.
    Origin,
    /// Who set the limit.
    OriginHop,
    /// All that it came to, the last one first.
    Hops,
}

/// What may be said in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Time {
    /// From when a request came to this hop until it left it.
    Took(Place),
    /// From when it came to this hop until it came to the next.
    Sent(Place),
}

/// What somebody tells of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) teller: &'static str,
    /// In a word; `None` where it is told that there is none.
    pub(super) words: BTreeMap<Word, Option<String>>,
    pub(super) times: BTreeMap<Time, Duration>,
}

/// What is so.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    pub(super) words: BTreeMap<Word, Option<String>>,
    pub(super) times: BTreeMap<Time, Seen>,
}

/// A time, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// From within: it cannot have been less.
    pub(super) least: Duration,
    /// From outside: it cannot have been more. On a machine that is busy there is something between the two.
    pub(super) most: Duration,
}

impl Seen {
    pub(super) fn exactly(time: Duration) -> Self {
        Self { least: time, most: time }
    }

    /// How far a time is from anything that it can have been.
    fn off(self, told: Duration) -> Duration {
        self.least.saturating_sub(told) + told.saturating_sub(self.most)
    }

    /// How far it is from what was seen from outside.
    pub(super) fn off_outside(self, told: Duration) -> Duration {
        self.most.abs_diff(told)
    }
}

impl Told {
    pub(super) fn by(teller: &'static str) -> Self {
        Self { teller, ..Self::default() }
    }

    pub(super) fn word(mut self, word: Word, told: Option<impl Into<String>>) -> Self {
        self.words.insert(word, told.map(Into::into));
        self
    }

    pub(super) fn time(mut self, time: Time, millis: Option<f64>) -> Self {
        let millis = millis.unwrap_or_else(|| panic!("{}: no {time:?}", self.teller));
        self.times.insert(time, Duration::from_secs_f64(millis / 1_000.0));
        self
    }

    /// The words that are others than what is so.
    pub(super) fn wrong(&self, truth: &Truth) -> Vec<String> {
        let Self { teller, words, .. } = self;
        let wrong = words.iter().filter(|(word, told)| truth.words[word] != **told);
        let wrong =
            wrong.map(|(word, told)| format!("{teller}: {word:?} {told:?}, and it was {:?}", truth.words[word]));
        wrong.collect()
    }

    /// The times that are not close to what is so, with how far they are off.
    pub(super) fn off(&self, truth: &Truth) -> Vec<String> {
        let pairs = self.times.iter().map(|(time, told)| {
            let so = truth.times.get(time);
            (time, *told, *so.unwrap_or_else(|| panic!("{} knows {time:?}, and the test does not", self.teller)))
        });
        let far = pairs.filter(|(_, told, so)| so.off(*told) > CLOSE);
        far.map(|(time, told, so)| format!("{}: {time:?} {told:?}, and it was {so:?}", self.teller))
            .collect()
    }

    /// How far the worst of its times is from what was seen from outside, if it tells any.
    pub(super) fn farthest(&self, truth: &Truth) -> Option<Duration> {
        self.times.iter().map(|(time, told)| truth.times[time].off_outside(*told)).max()
    }
}

impl Truth {
    pub(super) fn of(limit: Limit, slow: Slow, times: BTreeMap<Time, Seen>) -> Self {
        let words = [
            (Word::Hop, Some(slow.hop().name())),
            (Word::Stage, Some(slow.stage())),
            (Word::Cause, Some("deadline")),
            (Word::Origin, Some(limit.origin())),
            (Word::OriginHop, limit.hop().map(Place::name)),
        ];
        let mut words = BTreeMap::from(words.map(|(word, so)| (word, so.map(str::to_owned))));
        let hops = Place::ALL.into_iter().rev().filter(|place| *place <= slow.hop()).map(Place::name);
        words.insert(Word::Hops, Some(hops.collect::<Vec<_>>().join(" ")));
        Self { words, times }
    }
}

#[test]
fn what_is_not_so_is_found() {
    let truth = Truth::of(
        Limit::Client,
        Slow::PaymentsPool,
        [(Time::Took(Place::Proxy), Seen { least: 390 * MS, most: 400 * MS })].into(),
    );
    let told = |stage: &'static str| Told::by("it").word(Word::Stage, Some(stage)).word(Word::OriginHop, None::<&str>);
    assert!(told("pool").wrong(&truth).is_empty());
    let lies = told("connect").word(Word::OriginHop, Some("proxy")).wrong(&truth);
    assert_eq!(lies.len(), 2, "{lies:?}");
    assert_eq!(lies[0], "it: Stage Some(\"connect\"), and it was Some(\"pool\")");
    for (millis, is_close) in [(384.9, false), (385.0, true), (395.0, true), (405.0, true), (405.1, false)] {
        assert_eq!(told("pool").time(Time::Took(Place::Proxy), Some(millis)).off(&truth).is_empty(), is_close);
    }
}

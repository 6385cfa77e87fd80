//! What became of all the requests of a soak.

use std::collections::BTreeMap;
use std::fmt;

/// What came of a request, in a word.
pub(super) type Outcome = &'static str;

/// The connection or the stream ended where an answer was due.
pub(super) const CUT: Outcome = "cut before its head";

/// What no upstream and no client can be blamed for.
const BAD: [Outcome; 5] = ["refused", "forgotten", "late", "another status", "an HTTP/2 connection lost"];

/// Where a deadline passes behind a head.
const LATE: &str = " stage=response_body cause=deadline ";

/// How often each outcome was seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    seen: BTreeMap<Outcome, u64>,
    /// The ports of the clients that were cut off.
    cut: Vec<u16>,
}

impl Tally {
    /// Of the client that has this port.
    pub(super) fn note(&mut self, outcome: Outcome, port: u16) {
        *self.seen.entry(outcome).or_default() += 1;
        if outcome == CUT {
            self.cut.push(port);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        other.seen.into_iter().for_each(|(outcome, count)| *self.seen.entry(outcome).or_default() += count);
        self.cut.extend(other.cut);
    }

    pub(super) fn has(&self, outcome: Outcome) -> bool {
        self.seen.contains_key(outcome)
    }

    /// What should never be seen, by the lines of an access log.
    ///
    /// An answer that breaks off in the very moment of its head is never sent: its upstream died, or its deadline passed.
    /// Then the log says so, as of an answer of a hop whose own deadline passed a moment before. Whoever was cut off otherwise was cut off by the proxy itself.
    pub(super) fn complaints(&self, log: &str) -> Vec<String> {
        let seen = BAD.iter().filter_map(|outcome| Some(format!("{outcome}: {}", self.seen.get(outcome)?)));
        let is_broken =
            |line: &str| line.contains(" ended=broken ") || line.contains(" ended=stopped ") && line.contains(LATE);
        let of = |port: u16| log.lines().filter(move |line| line.contains(&format!(":{port} ")));
        let is_told = |port: &&u16| !of(**port).any(is_broken);
        let cut = self.cut.iter().filter(is_told).map(|port| {
            // Of a connection on which nothing has failed there is none.
            let last = of(*port).next_back().unwrap_or("the log has no line of it");
            format!("{CUT}: the client at port {port}; {last}")
        });
        seen.chain(cut).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen: Vec<_> = self.seen.iter().map(|(outcome, count)| format!("{outcome}: {count}")).collect();
        f.write_str(&seen.join(", "))
    }
}

#[test]
fn a_cut_is_excused_by_a_line_of_the_log_and_nothing_else_is() {
    let mut tally = Tally::default();
    for (outcome, port) in [("200", 1), (CUT, 22), (CUT, 33)] {
        tally.note(outcome, port);
    }
    let broken = "time=1 client=127.0.0.1:22 status=200 ended=broken sent=0\n";
    let unseen = "cut before its head: the client at port 33; the log has no line of it";
    assert_eq!(tally.complaints(broken), [unseen]);
    let late = "client=127.0.0.1:33 status=504 ended=stopped stage=response_body cause=deadline sent=0\n";
    assert_eq!(tally.complaints(&format!("{broken}{late}")), Vec::<String>::new());
    let others = "client=127.0.0.1:22 status=504 ended=stopped stage=upstream cause=deadline x\n\
        client=127.0.0.1:33 status=200 ended=complete x\n";
    assert_eq!(tally.complaints(others).len(), 2);
    let mut other = Tally::default();
    other.note("refused", 4);
    tally.add(other);
    assert_eq!(tally.complaints(others).len(), 3);
    assert_eq!(tally.to_string(), "200: 1, cut before its head: 2, refused: 1");
}

//! What must happen: a model of the chain, without a clock and without a socket.
//!
//! Covers every request of every run but for hops that are stopped: those are there to show what happens when
//! the model is wrong. Each hop keeps the same reserve from its calls, so the limits lie one reserve apart.

use std::fmt;
use std::time::Duration;

use tower_deadline::{Cause, Stage};

use super::Hop;
use super::cases::{Case, Terms};

/// How a request ended, as far as it can be foretold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    /// The status of the answer; `None` where there was none.
    pub(super) status: Option<u16>,
    /// Where the request was stopped.
    pub(super) stage: Option<Stage>,
    /// Why it was stopped.
    pub(super) cause: Option<Cause>,
    /// Which hop answered in place of the last one.
    pub(super) hop: Option<Hop>,
    /// The last hop that the request came to.
    pub(super) reached: Option<Hop>,
    /// The first hop that got more than its caller had left; foretold for none.
    pub(super) grew: Option<Hop>,
}

/// Every ending that is right: one, or several where the work lies so close to a limit that the machine decides.
pub(super) fn foretell(case: Case, terms: &Terms) -> Vec<Ending> {
    match case {
        Case::Malformed => vec![Ending { status: Some(400), ..at(Hop::Proxy) }],
        Case::Expired => vec![stopped(Stage::Arrival, at(Hop::Proxy))],
        Case::Fits | Case::TooSlow | Case::ClientLeaves => walk(case, terms),
    }
}

/// From hop to hop, until one is stopped or the work is done.
fn walk(case: Case, terms: &Terms) -> Vec<Ending> {
    let (mut endings, mut spent) = (Vec::new(), Duration::ZERO);
    for (caller, hop, reserves) in way(terms.last()) {
        let (limit, ending) = match terms.leaves_after(case) {
            Some(leaves) => (leaves, left(hop)),
            None => (terms.timeout.saturating_sub(terms.reserve() * reserves), late(caller, hop)),
        };
        // What its caller has left by now may be no more than its reserve.
        if caller != Hop::Proxy && Fit::of(spent, limit) != Fit::Under && terms.leaves_after(case).is_none() {
            endings.push(stopped(Stage::Unsent, at(caller)));
        }
        spent = spent.saturating_add(terms.work(case, hop));
        let fit = Fit::of(spent, limit);
        if fit != Fit::Under {
            endings.push(ending);
        }
        if fit == Fit::Over {
            return endings;
        }
    }
    endings.push(Ending { status: Some(200), reached: Some(terms.last()), ..Ending::default() });
    endings
}

/// Each hop that works, with its caller, and how many reserves are kept on the way to it.
fn way(last: Hop) -> impl Iterator<Item = (Hop, Hop, u32)> {
    let hops = [(Hop::Proxy, Hop::Orders, 1), (Hop::Orders, Hop::Payments, 2), (Hop::Payments, Hop::Database, 3)];
    hops.into_iter().filter(move |(_, hop, _)| *hop != Hop::Database || last == Hop::Database)
}

/// A hop answers for itself, and its caller for the database.
fn late(caller: Hop, hop: Hop) -> Ending {
    match hop {
        Hop::Database => Ending { reached: Some(hop), ..stopped(Stage::Database, at(caller)) },
        _ => stopped(Stage::Handler, at(hop)),
    }
}

/// An answer of this hop's, which the request got no further than.
fn at(hop: Hop) -> Ending {
    Ending { hop: Some(hop), reached: Some(hop), ..Ending::default() }
}

fn stopped(stage: Stage, by: Ending) -> Ending {
    Ending { status: Some(504), stage: Some(stage), cause: Some(Cause::Deadline), ..by }
}

fn left(reached: Hop) -> Ending {
    Ending { cause: Some(Cause::ClientGone), reached: Some(reached), ..Ending::default() }
}

/// How work lies to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Under,
    /// Within a quarter of the limit.
    Near,
    Over,
}

impl Fit {
    fn of(work: Duration, limit: Duration) -> Self {
        if work <= limit * 3 / 4 {
            Self::Under
        } else if work >= limit * 5 / 4 {
            Self::Over
        } else {
            Self::Near
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("no answer")?,
        }
        if let Some(cause) = self.cause {
            write!(f, ", cause {cause}")?;
        }
        if let Some(stage) = self.stage {
            write!(f, ", stage {stage}")?;
        }
        if let Some(hop) = self.hop {
            write!(f, ", by {}", hop.as_str())?;
        }
        write!(f, "; reached {}", self.reached.map_or("no hop", Hop::as_str))?;
        self.grew.map_or(Ok(()), |hop| write!(f, "; the budget did not shrink at {}", hop.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{DemoArgs, Slow};

    const MS: Duration = Duration::from_millis(1);

    fn foretold(case: Case, timeout: u32, slow: &[(Hop, u32)]) -> Vec<String> {
        foretold_with(false, case, timeout, slow)
    }

    fn foretold_with(database: bool, case: Case, timeout: u32, slow: &[(Hop, u32)]) -> Vec<String> {
        let slow = slow.iter().map(|&(hop, work)| Slow { hop, work: work * MS }).collect();
        let args = DemoArgs { timeout: timeout * MS, slow, stop: Vec::new(), json: false };
        foretell(case, &Terms::new(&args, database)).iter().map(Ending::to_string).collect()
    }

    const FINE: &str = "200; reached payments";
    const BAD: &str = "400, by proxy; reached proxy";
    const LATE: &str = "504, cause deadline, stage arrival, by proxy; reached proxy";
    const ORDERS: &str = "504, cause deadline, stage handler, by orders; reached orders";
    const PAYMENTS: &str = "504, cause deadline, stage handler, by payments; reached payments";
    const UNSENT: &str = "504, cause deadline, stage unsent, by orders; reached orders";
    const LEFT: &str = "no answer, cause client_gone; reached payments";
    const LEFT_EARLY: &str = "no answer, cause client_gone; reached orders";

    #[test]
    fn the_five_requests_end_in_five_ways_whatever_the_timeout() {
        for timeout in [200, 250, 1_000, 60_000] {
            let endings = Case::ALL.map(|case| foretold(case, timeout, &[]).join(" or "));
            assert_eq!(endings, [FINE, PAYMENTS, BAD, LATE, LEFT], "{timeout}");
        }
    }

    #[test]
    fn the_last_of_them_reach_the_database_where_there_is_one() {
        let fine = "200; reached database";
        let late = "504, cause deadline, stage database, by payments; reached database";
        let left = "no answer, cause client_gone; reached database";
        for timeout in [200, 1_000, 60_000] {
            let endings = Case::ALL.map(|case| foretold_with(true, case, timeout, &[]).join(" or "));
            assert_eq!(endings, [fine, late, BAD, LATE, left], "{timeout}");
        }
        let unsent = "504, cause deadline, stage unsent, by payments; reached payments";
        // The limits: 800 ms at payments, which works 10 ms, and 700 ms in the database, which works 60 ms.
        for (slow, endings) in [
            (&[(Hop::Database, 425)][..], &[fine][..]),
            (&[(Hop::Database, 426)], &[late, fine]),
            (&[(Hop::Database, 775)], &[late]),
            (&[(Hop::Payments, 560)], &[unsent, late, fine]),
            (&[(Hop::Payments, 960)], &[PAYMENTS]),
        ] {
            assert_eq!(foretold_with(true, Case::Fits, 1_000, slow), endings, "{slow:?}");
        }
    }

    // The limits of a second: 900 ms at orders, 800 ms at payments; the client leaves at 300 ms. orders works
    // 30 ms of it, and payments 60 ms, or 600 ms for the client that leaves.
    #[test]
    fn a_slow_hop_is_foretold_before_at_and_after_the_limits() {
        for (case, slow, endings) in [
            (Case::Fits, &[(Hop::Payments, 510)][..], &[FINE][..]),
            (Case::Fits, &[(Hop::Payments, 511)], &[PAYMENTS, FINE]),
            (Case::Fits, &[(Hop::Payments, 909)], &[PAYMENTS, FINE]),
            (Case::Fits, &[(Hop::Payments, 910)], &[PAYMENTS]),
            (Case::Fits, &[(Hop::Orders, 900)], &[ORDERS, UNSENT, PAYMENTS, FINE]),
            (Case::Fits, &[(Hop::Orders, 1_095)], &[ORDERS]),
            (Case::Fits, &[(Hop::Orders, 300), (Hop::Payments, 300)], &[PAYMENTS, FINE]),
            (Case::TooSlow, &[(Hop::Orders, 2_000)], &[ORDERS]),
            (Case::Malformed, &[(Hop::Orders, 2_000)], &[BAD]),
            (Case::Expired, &[(Hop::Payments, 2_000)], &[LATE]),
            (Case::ClientLeaves, &[(Hop::Payments, 2_000)], &[LEFT]),
            (Case::ClientLeaves, &[(Hop::Orders, 200)], &[LEFT_EARLY, LEFT]),
            (Case::ClientLeaves, &[(Hop::Orders, 2_000)], &[LEFT_EARLY]),
        ] {
            assert_eq!(foretold(case, 1_000, slow), endings, "{case:?} {slow:?}");
        }
    }
}

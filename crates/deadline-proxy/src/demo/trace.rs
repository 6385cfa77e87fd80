//! One request, seen from its client: what the hops told and recorded, on one axis of time.

use std::time::{Duration, Instant};

use tower_deadline::{Cause, now};

use super::Hop;
use super::cases::{Case, Terms};
use super::chain::Chain;
use super::client::{Reply, ask};
use super::foretell::Ending;
use super::ledger::Entry;
use super::told::retell;

/// How long the hops have to notice that a request is over.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) case: Case,
    /// What was written into the header.
    pub(super) asked: String,
    pub(super) timeout: Duration,
    /// What each hop keeps back.
    pub(super) reserve: Duration,
    pub(super) legs: Vec<Leg>,
    /// Whether the hops have told of it in the answer.
    pub(super) is_told: bool,
    pub(super) came: Came,
    pub(super) elapsed: Duration,
}

/// What came back to the client.
#[derive(Clone, Debug)]
pub(super) enum Came {
    Answer(Reply),
    /// Nothing, until the client closed its socket.
    Nothing,
    /// Nothing: the connection failed.
    Failure(String),
}

/// What one hop told, or recorded. Times count from the moment the client began.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) hop: Hop,
    pub(super) arrived: Duration,
    /// `None` where it was still busy when it was no longer waited for.
    pub(super) ended: Option<Duration>,
    pub(super) budget: Option<Duration>,
    /// The header that the next hop received.
    pub(super) sent: Option<String>,
    pub(super) cause: Option<Cause>,
}

impl Trace {
    /// Sends the request of `case` and waits for its end, at every hop.
    pub(super) async fn of(case: Case, terms: &Terms, chain: &Chain) -> Self {
        let (first, began) = (chain.ledger.len(), now());
        let (query, asked) = (terms.query(case), terms.asks(case));
        // A client that does not mean to leave has its own limit all the same, for a chain that never answers.
        let patience = terms.leaves_after(case).unwrap_or(terms.timeout + PATIENCE);
        let outcome = tokio::time::timeout(patience, ask(chain.address, &query, &asked)).await;
        let elapsed = now().saturating_duration_since(began);
        chain.ledger.settled(PATIENCE).await;
        let came = match outcome {
            Ok(Ok(reply)) => Came::Answer(reply),
            Ok(Err(error)) => Came::Failure(error.to_string()),
            Err(_) => Came::Nothing,
        };
        let (timeout, reserve) = (terms.timeout, terms.reserve());
        let mut legs = legs(&chain.ledger.since(first), began);
        let is_told = matches!(&came, Came::Answer(reply) if retell(&mut legs, &reply.entries));
        Self { case, asked, timeout, reserve, legs, is_told, came, elapsed }
    }

    /// What is compared with what was foretold.
    pub(super) fn ending(&self) -> Ending {
        let way = Ending { reached: self.legs.last().map(|leg| leg.hop), grew: self.grew(), ..Ending::default() };
        match self.came {
            Came::Answer(Reply { status, stage, cause, hop, .. }) => {
                Ending { status: Some(status), stage, cause, hop, ..way }
            }
            Came::Nothing => Ending { cause: self.common_cause(), ..way },
            // A connection that fails is never foretold, whatever the hops make of it.
            Came::Failure(_) => way,
        }
    }

    /// The first hop whose budget is not smaller than its caller's by the reserve at least.
    fn grew(&self) -> Option<Hop> {
        let most = |leg: &Leg| Some(leg.budget?.saturating_sub(self.reserve));
        let callers = self.legs.iter().map(most);
        let grew = |(most, leg): &(Option<Duration>, &Leg)| leg.budget.is_none_or(|budget| Some(budget) > *most);
        callers.zip(self.legs.iter().skip(1)).find(grew).map(|(_, leg)| leg.hop)
    }

    /// Why every hop stopped, if they agree.
    fn common_cause(&self) -> Option<Cause> {
        let first = self.legs.first()?.cause;
        first.filter(|_| self.legs.iter().all(|leg| leg.cause == first))
    }

    /// The time that the hop spent itself, and not in waiting for the next one.
    pub(super) fn spent(&self, index: usize) -> Option<Duration> {
        let leg = self.legs.get(index)?;
        let next = self.legs.get(index + 1).map(|next| (next.arrived, next.ended.unwrap_or(self.elapsed)));
        let ended = leg.ended?;
        let waited = next.map_or(Duration::ZERO, |(from, to)| to.min(ended).saturating_sub(from));
        Some(ended.saturating_sub(leg.arrived).saturating_sub(waited))
    }
}

impl Leg {
    /// When its deadline is.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.budget.map(|budget| self.arrived + budget)
    }

    /// What was left of its budget when it was done.
    pub(super) fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_sub(self.ended?))
    }
}

fn legs(entries: &[Entry], began: Instant) -> Vec<Leg> {
    let since = |instant: Instant| instant.saturating_duration_since(began);
    let sent = entries.iter().skip(1).map(|next| next.field.clone()).chain([None]);
    let leg = |(entry, sent): (&Entry, Option<String>)| Leg {
        hop: entry.hop,
        arrived: since(entry.arrived),
        ended: entry.ended.map(since),
        budget: entry.budget,
        sent,
        cause: entry.cause,
    };
    entries.iter().zip(sent).map(leg).collect()
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use tower_deadline::Stage;

    pub(in crate::demo) const MS: Duration = Duration::from_millis(1);

    /// A leg from and to these milliseconds, with this budget.
    pub(in crate::demo) fn leg(arrived: u32, ended: u32, budget: u32) -> Leg {
        Leg {
            hop: Hop::Proxy,
            arrived: arrived * MS,
            ended: Some(ended * MS),
            budget: Some(budget * MS),
            sent: None,
            cause: None,
        }
    }

    /// A second that payments would not be done in.
    pub(in crate::demo) fn too_slow() -> Trace {
        let stopped = |hop, sent: Option<&str>, leg| Leg {
            hop,
            sent: sent.map(str::to_owned),
            cause: Some(Cause::Deadline),
            ..leg
        };
        let detail = Some("deadline of 847 ms exceeded in stage handler".to_owned());
        let (stage, cause, hop) = (Some(Stage::Handler), Some(Cause::Deadline), Some(Hop::Payments));
        Trace {
            case: Case::TooSlow,
            asked: "1000ms".to_owned(),
            timeout: 1_000 * MS,
            reserve: 40 * MS,
            legs: vec![
                stopped(Hop::Proxy, Some("959ms"), leg(1, 883, 1_000)),
                stopped(Hop::Orders, Some("887ms"), leg(2, 882, 959)),
                stopped(Hop::Payments, None, leg(34, 881, 887)),
            ],
            is_told: true,
            came: Came::Answer(Reply { status: 504, stage, cause, hop, detail, ..Reply::default() }),
            elapsed: 884 * MS,
        }
    }

    /// The same, with a database behind payments.
    pub(in crate::demo) fn in_the_database() -> Trace {
        let mut trace = too_slow();
        let [proxy, orders, payments] = &mut trace.legs[..] else { panic!("three hops") };
        (proxy.ended, orders.ended) = (Some(844 * MS), Some(843 * MS));
        (payments.ended, payments.sent) = (Some(842 * MS), Some("797ms".to_owned()));
        let cause = Some(Cause::Deadline);
        trace.legs.push(Leg { hop: Hop::Database, cause, ..leg(44, 841, 797) });
        if let Came::Answer(reply) = &mut trace.came {
            reply.stage = Some(Stage::Database);
        }
        Trace { elapsed: 844 * MS, ..trace }
    }

    /// The same, with a client that left.
    pub(in crate::demo) fn left() -> Trace {
        let mut trace = Trace { case: Case::ClientLeaves, came: Came::Nothing, is_told: false, ..too_slow() };
        trace.elapsed = 300 * MS;
        for leg in &mut trace.legs {
            (leg.ended, leg.cause) = (Some(301 * MS), Some(Cause::ClientGone));
        }
        trace
    }

    /// One that the proxy refused.
    pub(in crate::demo) fn malformed() -> Trace {
        let detail = "x-request-timeout: \"abc\" is not a duration such as 300ms, 1.5s or 1h30m".to_owned();
        Trace {
            case: Case::Malformed,
            asked: "abc".to_owned(),
            legs: vec![Leg { budget: None, ..leg(0, 0, 0) }],
            came: Came::Answer(Reply { status: 400, hop: Some(Hop::Proxy), detail: Some(detail), ..Reply::default() }),
            elapsed: MS / 2,
            ..too_slow()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{MS, left, malformed, too_slow};
    use super::*;

    #[test]
    fn a_hop_spent_what_it_did_not_wait_for() {
        let trace = too_slow();
        let spent: Vec<_> = (0..4).map(|index| trace.spent(index)).collect();
        assert_eq!(spent, [Some(2 * MS), Some(33 * MS), Some(847 * MS), None]);
        let remaining: Vec<_> = trace.legs.iter().map(Leg::remaining).collect();
        assert_eq!(remaining, [Some(118 * MS), Some(79 * MS), Some(40 * MS)]);
        assert_eq!(malformed().legs.first().and_then(Leg::remaining), None);
    }

    #[test]
    fn a_budget_that_does_not_shrink_by_the_reserve_is_never_foretold() {
        let mut trace = too_slow();
        for (budget, grew) in [(919, None), (920, Some(Hop::Payments)), (960, Some(Hop::Payments))] {
            trace.legs.last_mut().unwrap().budget = Some(budget * MS);
            assert_eq!(trace.ending().grew, grew, "{budget}");
        }
        trace.legs.last_mut().unwrap().budget = None;
        let grew = "; the budget did not shrink at payments";
        assert!(trace.ending().to_string().ends_with(grew), "no budget at all is no smaller one");
    }

    #[test]
    fn an_answer_speaks_for_itself_and_without_one_the_hops_must_agree() {
        let answered = "504, cause deadline, stage handler, by payments; reached payments";
        assert_eq!(too_slow().ending().to_string(), answered);
        let mut trace = left();
        assert_eq!(trace.ending().to_string(), "no answer, cause client_gone; reached payments");
        trace.legs.last_mut().unwrap().cause = None;
        assert_eq!(trace.ending().to_string(), "no answer; reached payments");
        let broken = Trace { came: Came::Failure("reset".to_owned()), ..left() };
        assert_eq!(broken.ending().to_string(), "no answer; reached payments");
    }
}

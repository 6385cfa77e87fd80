//! The requests that are sent, and the numbers of a run.
//!
//! Everything a hop does for a request stands in the request itself, in its query: `orders=30ms&payments=60ms`.

use std::time::{Duration, UNIX_EPOCH};

use tower_deadline::{Dialect, Ledger, Policy};

use super::{DemoArgs, Hop, Slow};

/// One of the requests, named by what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Fits,
    TooSlow,
    Malformed,
    Expired,
    ClientLeaves,
}

impl Case {
    pub(super) const ALL: [Self; 5] = [Self::Fits, Self::TooSlow, Self::Malformed, Self::Expired, Self::ClientLeaves];

    /// The word for programs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::TooSlow => "too_slow",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::ClientLeaves => "client_leaves",
        }
    }

    /// The words for people.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Fits => "A request that fits",
            Self::TooSlow => "Too slow at the last hop",
            Self::Malformed => "A malformed timeout",
            Self::Expired => "Expired before it came",
            Self::ClientLeaves => "The client leaves half-way",
        }
    }
}

/// The numbers of a run, made of the timeout and of what is slow.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) timeout: Duration,
    slow: Vec<Slow>,
    /// Whether there is a database.
    database: bool,
}

impl Terms {
    pub(super) fn new(args: &DemoArgs, database: bool) -> Self {
        Self { timeout: args.timeout, slow: args.slow.clone(), database }
    }

    /// The last hop, which has the most to do.
    pub(super) fn last(&self) -> Hop {
        if self.database { Hop::Database } else { Hop::Payments }
    }

    /// What each hop keeps back for the answer: long enough to be seen, and for a busy machine to answer in.
    pub(super) fn reserve(&self) -> Duration {
        self.timeout / 10
    }

    /// What a hop is held to.
    pub(super) fn policy(&self) -> Policy {
        let policy = Policy::new().named("demo").default_timeout(self.timeout).reserve(self.reserve());
        // What the waterfall is drawn from.
        policy.ledger(Ledger::Inside)
    }

    /// What the client writes into the header.
    pub(super) fn asks(&self, case: Case) -> String {
        match case {
            Case::Malformed => "abc".to_owned(),
            Case::Expired => "0".to_owned(),
            Case::Fits | Case::TooSlow | Case::ClientLeaves => written(self.timeout),
        }
    }

    /// When the client closes its socket, whatever has come by then.
    pub(super) fn leaves_after(&self, case: Case) -> Option<Duration> {
        (case == Case::ClientLeaves).then_some(self.timeout * 3 / 10)
    }

    /// How long a hop works for a request.
    pub(super) fn work(&self, case: Case, hop: Hop) -> Duration {
        let work = match (hop, case) {
            (Hop::Proxy, _) => Duration::ZERO,
            (Hop::Database, _) if !self.database => return Duration::ZERO,
            (Hop::Orders, _) => Duration::from_millis(30).min(self.timeout * 3 / 100),
            (Hop::Payments, _) if self.database => Duration::from_millis(10).min(self.timeout / 100),
            (Hop::Payments | Hop::Database, Case::TooSlow) => self.timeout * 2,
            (Hop::Payments | Hop::Database, Case::ClientLeaves) => self.timeout * 6 / 10,
            (Hop::Payments | Hop::Database, _) => Duration::from_millis(60).min(self.timeout * 6 / 100),
        };
        let slow = self.slow.iter().filter(|slow| slow.hop == hop).map(|slow| slow.work);
        slow.fold(work, Duration::saturating_add)
    }

    /// What the hops are told.
    pub(super) fn query(&self, case: Case) -> String {
        let told = |hop: Hop| format!("{}={}", hop.as_str(), written(self.work(case, hop)));
        [Hop::Orders, Hop::Payments, Hop::Database].map(told).join("&")
    }
}

/// A duration in the grammar of the header.
fn written(duration: Duration) -> String {
    Dialect::XRequestTimeout
        .encode(duration, UNIX_EPOCH)
        .map_or_else(|| "0".to_owned(), |encoded| encoded.to_string())
}

/// How long the hop is told to work by this query; not at all where it says nothing of it.
pub(super) fn told(query: &str, hop: Hop) -> Duration {
    let told = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == hop.as_str());
    let work = told.and_then(|(_, work)| Dialect::XRequestTimeout.decode(work.as_bytes(), UNIX_EPOCH).ok());
    work.flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn terms(timeout: Duration, slow: &[(Hop, Duration)]) -> Terms {
        Terms { timeout, slow: slow.iter().map(|&(hop, work)| Slow { hop, work }).collect(), database: false }
    }

    #[test]
    fn a_hop_is_told_its_own_work_and_nothing_else() {
        let terms = terms(1_000 * MS, &[(Hop::Payments, 2_000 * MS), (Hop::Payments, 5 * MS)]);
        let query = terms.query(Case::Fits);
        assert_eq!(query, "orders=30ms&payments=2065ms&database=0");
        assert_eq!(told(&query, Hop::Payments), 2_065 * MS);
        assert_eq!(told(&query, Hop::Proxy), Duration::ZERO);
        assert_eq!(told("payments&orders=soon", Hop::Orders), Duration::ZERO);
    }

    #[test]
    fn the_work_shrinks_with_the_timeout_and_does_not_grow_with_it() {
        for (timeout, orders, payments) in [(200, 6, 12), (1_000, 30, 60), (60_000, 30, 60)] {
            let terms = terms(timeout * MS, &[]);
            assert_eq!(terms.work(Case::Fits, Hop::Orders), orders * MS);
            assert_eq!(terms.work(Case::Fits, Hop::Payments), payments * MS);
            let with = Terms { database: true, ..terms };
            assert_eq!(with.work(Case::Fits, Hop::Payments) * 6, payments * MS);
            assert_eq!(with.work(Case::Fits, Hop::Database), payments * MS);
        }
    }

    #[test]
    fn the_last_hop_is_the_slow_one_and_nobody_works_in_a_database_that_is_not_there() {
        let slow = [(Hop::Database, 5 * MS)];
        let (without, with) = (terms(1_000 * MS, &slow), Terms { database: true, ..terms(1_000 * MS, &slow) });
        assert_eq!((without.last(), with.last()), (Hop::Payments, Hop::Database));
        assert_eq!(without.work(Case::TooSlow, Hop::Database), Duration::ZERO);
        assert_eq!(without.work(Case::TooSlow, Hop::Payments), 2_000 * MS);
        assert_eq!(with.work(Case::TooSlow, Hop::Database), 2_005 * MS);
        assert_eq!(with.work(Case::ClientLeaves, Hop::Payments), 10 * MS);
    }
}

//! What is known of the other end of a connection.

use std::num::NonZeroU32;

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Limit;

/// The server's process for one connection, and what it was told. sqlx keeps nothing beside a pooled connection, so it
/// is asked anew whenever one was taken out of the pool.
#[derive(Debug, Default)]
pub(crate) struct Backend {
    /// `None` before the first statement.
    process: Option<Process>,
    /// The limit that its session has without us, in milliseconds.
    own: Option<NonZeroU32>,
    /// Whether its session may have been told another limit since.
    told: bool,
    /// Whether its transaction may have been.
    told_locally: bool,
    /// Whether somebody may have begun a transaction by hand, with which ends what the session is told in it.
    by_hand: bool,
}

/// A process, of one server among those that the same address may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When that was started, in microseconds.
    pub(crate) server: i64,
}

/// What tells one server from another: when it was started, in microseconds.
macro_rules! started {
    () => {
        "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8"
    };
}

pub(crate) use started;

/// Who it is, and which limit it has, in milliseconds: PostgreSQL reads its own way of writing a limit as an interval.
/// Its own limit is read before another is set.
const WHO: &str = concat!(
    "(SELECT pg_backend_pid() AS pid, ",
    started!(),
    " AS server, (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000)::int8 AS own OFFSET 0) \
     AS backend"
);

impl Backend {
    pub(crate) fn process(&self) -> Option<Process> {
        self.process
    }

    /// The number of its process, for a log.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.and_then(|process| u32::try_from(process.pid).ok())
    }

    /// What to tell, or to ask, the server before a statement in this limit; and that it is about to be told.
    pub(crate) fn telling(&mut self, limit: Limit, in_transaction: bool) -> Option<String> {
        let arming = self.arming(limit, in_transaction);
        match (limit.millis().is_some(), in_transaction) {
            (true, true) => self.told_locally = true,
            (true, false) => self.told = true,
            (false, _) => {}
        }
        arming
    }

    fn arming(&self, limit: Limit, in_transaction: bool) -> Option<String> {
        let millis = limit.millis();
        if self.process.is_none() {
            return Some(match millis {
                None => format!("SELECT pid, server, own FROM {WHO}"),
                // A limit of the server's own is never lifted.
                Some(millis) => format!(
                    "SELECT pid, server, own, set_config('statement_timeout', \
                     CASE WHEN own BETWEEN 1 AND {millis} THEN own ELSE {millis} END::text, {in_transaction}) FROM {WHO}"
                ),
            });
        }
        let local = if in_transaction { "LOCAL " } else { "" };
        let set = |millis: u32| format!("SET {local}statement_timeout = {millis}");
        match limit.millis_under(self.own).filter(|_| millis.is_some()) {
            Some(millis) => Some(set(millis.get())),
            None if self.told || (in_transaction && self.told_locally) => Some(set(self.own_millis())),
            None => None,
        }
    }

    /// The server has been told, and this is what it answered.
    pub(crate) fn told(&mut self, limit: Limit, in_transaction: bool, answer: Option<&PgRow>) {
        if let Some(row) = answer.filter(|_| self.process.is_none()) {
            self.process = row.try_get(0).and_then(|pid| Ok(Process { pid, server: row.try_get(1)? })).ok();
            self.own = row.try_get::<i64, _>(2).ok().and_then(|own| u32::try_from(own).ok()).and_then(NonZeroU32::new);
        }
        if limit.millis().is_none() && !in_transaction {
            self.restored();
        }
    }

    /// What takes back what its session was told, if it was.
    pub(crate) fn restoring(&self) -> Option<String> {
        self.told.then(|| format!("SET statement_timeout = {}", self.own_millis()))
    }

    /// It has been taken back, if no transaction of somebody's can bring it again.
    pub(crate) fn restored(&mut self) {
        self.told &= self.by_hand;
    }

    /// Somebody may begin a transaction by hand.
    pub(crate) fn begun_by_hand(&mut self) {
        self.by_hand = true;
    }

    /// No transaction is open.
    pub(crate) fn outside(&mut self) {
        self.told_locally = false;
    }

    /// Zero is none, to PostgreSQL too.
    fn own_millis(&self) -> u32 {
        self.own.map_or(0, NonZeroU32::get)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use http_deadline::Deadline;
    use std::time::{Duration, Instant};

    fn known(own: u32, told: bool) -> Backend {
        Backend { process: Some(Process { pid: 7, server: 1 }), own: NonZeroU32::new(own), told, ..Backend::default() }
    }

    fn limit(millis: Option<u64>) -> Limit {
        let now = Instant::now();
        let deadline = millis.map(|millis| Deadline::after(now, Duration::from_millis(millis)));
        Limit::of(deadline, Duration::ZERO, now).unwrap()
    }

    #[test]
    fn the_server_is_told_the_time_and_is_never_left_without_its_own() {
        let set = |words: &str| Some(format!("SET {words}"));
        for (mut backend, millis, in_transaction, words) in [
            (known(0, false), Some(50), false, set("statement_timeout = 50")),
            (known(0, false), Some(50), true, set("LOCAL statement_timeout = 50")),
            (known(20, false), Some(50), false, set("statement_timeout = 20")),
            (known(0, false), None, false, None),
            (known(0, true), None, false, set("statement_timeout = 0")),
            (known(20, true), None, true, set("LOCAL statement_timeout = 20")),
            (known(20, false), None, true, None),
        ] {
            assert_eq!(backend.telling(limit(millis), in_transaction), words, "{backend:?} {millis:?}");
        }
    }

    #[test]
    fn what_a_session_was_told_is_taken_back_until_the_server_has_said_so() {
        let mut backend = known(20, false);
        assert_eq!(backend.restoring(), None);
        backend.telling(limit(Some(5)), false);
        assert_eq!(backend.restoring().as_deref(), Some("SET statement_timeout = 20"));
        assert!(backend.restoring().is_some(), "nobody has answered");
        backend.restored();
        assert_eq!(backend.restoring(), None);
    }

    #[test]
    fn what_is_taken_back_in_a_transaction_begun_by_hand_may_come_back_with_its_end() {
        let mut backend = known(0, true);
        backend.begun_by_hand();
        assert!(backend.telling(limit(None), false).is_some());
        backend.told(limit(None), false, None);
        assert_eq!(backend.restoring().as_deref(), Some("SET statement_timeout = 0"));
    }

    #[test]
    fn what_a_transaction_was_told_ends_with_it() {
        let mut backend = known(0, false);
        backend.telling(limit(Some(5)), true);
        assert_eq!(backend.restoring(), None, "the session was told nothing");
        assert!(backend.telling(limit(None), true).is_some());
        backend.outside();
        assert_eq!(backend.telling(limit(None), true), None);
    }
}

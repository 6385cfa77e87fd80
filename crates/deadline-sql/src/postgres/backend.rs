//! What is known of the other end of a connection.

use std::num::NonZeroU32;

use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::cancel::CancelTicket;
use super::pooler::Pooler;
use crate::Limit;

/// The server's process for one connection, and what it was told.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Backend {
    ticket: Option<CancelTicket>,
    pid: Option<u32>,
    pooler: Pooler,
    /// The limit that it has without us, in milliseconds: of the role, the database or the startup options.
    own: Option<NonZeroU32>,
    /// The shortest limit that its session may have been told since, in milliseconds.
    told: Option<NonZeroU32>,
    /// Whether its transaction may have been.
    told_locally: bool,
}

/// Who it is, and which limit it has: as text, so that it goes in one flight and needs no statement to be prepared.
const WHO: &str = "SELECT pg_backend_pid(), reset_val FROM pg_settings WHERE name = 'statement_timeout'";

/// The same of whoever is lent for a moment: its number is nobody's then.
const WHICH: &str = "SELECT NULL, reset_val FROM pg_settings WHERE name = 'statement_timeout'";

/// Takes back what a session was told.
const DISARM: &str = "SET statement_timeout TO DEFAULT";

/// A limit below this could stop what replaces it, on a busy machine: that runs under it.
const SHORT: u32 = 5;

/// After its socket was closed, a server that works on looks at it so often, and stops (PostgreSQL 14 and later).
const NOTICE: &str = "SET client_connection_check_interval = 250";

impl Backend {
    /// Asks who it is. Without a ticket it cannot be told to stop.
    pub(super) async fn of(client: &Client, ticket: Option<CancelTicket>, pooler: Pooler) -> Result<Self, Error> {
        let who = match pooler {
            Pooler::None => noticing(client).await,
            Pooler::Transaction => client.simple_query(WHICH).await,
        };
        let (mut pid, mut own) = (None, None);
        for message in who? {
            if let SimpleQueryMessage::Row(row) = message {
                pid = row.get(0).and_then(|pid| pid.parse().ok());
                own = row.get(1).and_then(|own| own.parse().ok()).and_then(NonZeroU32::new);
            }
        }
        Ok(Self { ticket, pid, pooler, own, told: None, told_locally: false })
    }

    pub(crate) fn ticket(&self) -> Option<CancelTicket> {
        self.ticket.clone()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// What to tell the server before a statement in this limit: nothing, where it has no other limit than its own.
    pub(crate) fn arming(&self, limit: Limit, in_transaction: bool) -> Option<String> {
        let local = if in_transaction { "LOCAL " } else { "" };
        match limit.millis_under(self.own).filter(|_| limit.millis().is_some()) {
            Some(millis) => Some(format!("SET {local}statement_timeout = {millis}")),
            None if self.told.is_some() || (in_transaction && self.told_locally) => {
                Some(format!("SET {local}statement_timeout TO DEFAULT"))
            }
            None => None,
        }
    }

    /// What to tell the server before a statement that is to be enclosed in a transaction of its own, because what a
    /// session is told would stay behind for another client (R40).
    pub(crate) fn enclosing(&self, limit: Limit) -> Option<String> {
        let millis = limit.millis_under(self.own).filter(|_| limit.millis().is_some() && self.is_lent())?;
        Some(format!("BEGIN; SET LOCAL statement_timeout = {millis}"))
    }

    /// Whether there is another process for each transaction.
    pub(crate) fn is_lent(&self) -> bool {
        self.pooler == Pooler::Transaction
    }

    /// The server is about to be told what [`arming`](Self::arming) says.
    pub(crate) fn telling(&mut self, limit: Limit, in_transaction: bool) {
        match (limit.millis().is_some(), in_transaction) {
            (true, true) => self.told_locally = true,
            (true, false) => self.told = self.told.into_iter().chain(limit.millis_under(self.own)).min(),
            (false, _) => {}
        }
    }

    /// The server has been told, and has answered. What is told within a transaction may be undone with it.
    pub(crate) fn told(&mut self, limit: Limit, in_transaction: bool) {
        if !in_transaction {
            self.told = limit.millis_under(self.own).filter(|_| limit.millis().is_some());
        }
    }

    /// Whether the limit of its session is so short that it is lifted before anything else is sent.
    pub(crate) fn is_short(&self) -> bool {
        self.told.is_some_and(|told| told.get() < SHORT)
    }

    /// What takes back what its session was told, if it was.
    pub(crate) fn disarming(&self) -> Option<&'static str> {
        self.told.map(|_| DISARM)
    }

    /// It has been taken back.
    pub(crate) fn disarmed(&mut self) {
        self.told = None;
    }

    /// No transaction is open.
    pub(crate) fn outside(&mut self) {
        self.told_locally = false;
    }
}

async fn noticing(client: &Client) -> Result<Vec<SimpleQueryMessage>, Error> {
    let (who, noticed) = futures_util::future::join(client.simple_query(WHO), client.batch_execute(NOTICE)).await;
    if let Err(error) = noticed {
        tracing::debug!(target: "deadline_sql", %error, "the server does not watch for closed connections");
    }
    who
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
mod tests {
    use super::*;
    use http_deadline::Deadline;
    use std::time::{Duration, Instant};

    fn backend(own: u32, told: u32) -> Backend {
        let (own, told) = (NonZeroU32::new(own), NonZeroU32::new(told));
        Backend { ticket: None, pid: None, pooler: Pooler::None, own, told, told_locally: false }
    }

    fn limit(millis: Option<u64>) -> Limit {
        let now = Instant::now();
        let deadline = millis.map(|millis| Deadline::after(now, Duration::from_millis(millis)));
        Limit::of(deadline, Duration::ZERO, now).unwrap()
    }

    #[test]
    fn the_server_is_told_the_time_and_is_never_left_without_its_own() {
        let set = |words: &str| Some(format!("SET {words}"));
        for (backend, millis, in_transaction, words) in [
            (backend(0, 0), Some(50), false, set("statement_timeout = 50")),
            (backend(0, 0), Some(50), true, set("LOCAL statement_timeout = 50")),
            (backend(20, 0), Some(50), false, set("statement_timeout = 20")),
            (backend(0, 0), None, false, None),
            (backend(0, 90), None, false, set("statement_timeout TO DEFAULT")),
            (backend(20, 90), None, true, set("LOCAL statement_timeout TO DEFAULT")),
            (backend(20, 0), None, true, None),
        ] {
            assert_eq!(backend.arming(limit(millis), in_transaction), words, "{backend:?} {millis:?}");
        }
    }

    #[test]
    fn a_limit_lasts_until_the_server_has_said_that_it_is_gone() {
        let mut backend = backend(0, 0);
        let (short, none) = (limit(Some(5)), limit(None));
        backend.telling(short, false);
        backend.telling(none, false);
        assert!(backend.arming(none, false).is_some(), "nobody has answered");
        backend.told(none, false);
        assert_eq!(backend.arming(none, false), None);
    }

    #[test]
    fn a_short_limit_is_lifted_until_the_server_has_taken_a_longer_one() {
        let mut backend = backend(0, 0);
        for (millis, well, short) in [
            (Some(5), true, false),
            (Some(4), false, true),
            (Some(50), false, true),
            (Some(50), true, false),
            (Some(1), true, true),
            (None, false, true),
            (None, true, false),
        ] {
            backend.telling(limit(millis), false);
            if well {
                backend.told(limit(millis), false);
            }
            assert_eq!(backend.is_short(), short, "{millis:?} {well}");
        }
    }

    #[test]
    fn what_a_transaction_was_told_ends_with_it() {
        let mut backend = backend(0, 0);
        backend.telling(limit(Some(5)), true);
        assert!(backend.arming(limit(None), true).is_some());
        assert_eq!(backend.arming(limit(None), false), None);
        backend.outside();
        assert_eq!(backend.arming(limit(None), true), None);
    }

    #[test]
    fn a_process_that_is_lent_is_told_the_time_in_a_transaction_and_nowhere_else() {
        let lent = |own| Backend { pooler: Pooler::Transaction, ..backend(own, 0) };
        let words = |millis| Some(format!("BEGIN; SET LOCAL statement_timeout = {millis}"));
        assert_eq!(lent(0).enclosing(limit(Some(50))), words(50));
        assert_eq!(lent(20).enclosing(limit(Some(50))), words(20));
        assert_eq!((lent(0).enclosing(limit(None)), lent(20).enclosing(limit(None))), (None, None));
        assert_eq!(backend(0, 0).enclosing(limit(Some(50))), None);
    }
}

//! What was seen.

use deadline_sql::deadpool_postgres::Error;
use deadline_sql::{DriverError, Verdict};

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Those that nobody stopped.
    pub(super) innocents: usize,
    pub(super) dropped: usize,
    /// Those that a deadline stopped.
    pub(super) exceeded: usize,
    /// Rows that were committed by word of the server.
    pub(super) kept: i64,
    /// Statements that were stopped and should not have been.
    pub(super) wrongly_cancelled: usize,
    /// Whatever else went wrong, and the first of it.
    pub(super) failed: usize,
    pub(super) first: Option<String>,
    /// Whether somebody still worked, or had a transaction open, long after the end.
    pub(super) restless: bool,
    pub(super) reconnects: usize,
}

impl Tally {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            innocents: self.innocents + other.innocents,
            dropped: self.dropped + other.dropped,
            exceeded: self.exceeded + other.exceeded,
            kept: self.kept + other.kept,
            wrongly_cancelled: self.wrongly_cancelled + other.wrongly_cancelled,
            failed: self.failed + other.failed,
            first: self.first.or(other.first),
            restless: self.restless || other.restless,
            reconnects: self.reconnects + other.reconnects,
        }
    }

    /// Somebody who may be stopped by a deadline of their own, and by nothing else.
    pub(super) fn ended(&mut self, ended: Result<(), Error>) {
        match ended {
            Ok(()) => {}
            Err(Error::Exceeded(_)) => self.exceeded += 1,
            Err(error) => self.wrong(&error),
        }
    }

    /// Somebody whom nothing may stop.
    pub(super) fn innocent(&mut self, ended: Result<i64, Error>) {
        self.innocents += 1;
        match ended {
            Ok(kept) => self.kept += kept,
            Err(error) => self.wrong(&error),
        }
    }

    fn wrong(&mut self, error: &Error) {
        match error {
            Error::Database(error) if error.verdict() == Verdict::Cancelled => self.wrongly_cancelled += 1,
            _ => self.failed += 1,
        }
        self.first.get_or_insert_with(|| format!("{error:?}"));
    }

    #[track_caller]
    pub(super) fn assert_unhurt(&self) {
        assert!(self.innocents > 100 && self.dropped > 100 && self.exceeded > 20, "it is to be a soak: {self:?}");
        assert!(self.is_unhurt(), "{self:?}");
    }

    pub(super) fn is_unhurt(&self) -> bool {
        self.wrongly_cancelled + self.failed + self.reconnects == 0 && !self.restless
    }
}

//! What connections and transactions share.

use std::fmt;

use super::driver::Driver;
use super::{Error, Raw};
use crate::Lease;

/// What a [`Connection`](super::Connection) and a [`Transaction`](super::Transaction) both are: an executor of sqlx, as
/// `&mut Session`, whose statements end at the deadline.
///
/// A function that works in a transaction and without one takes a `&mut Session`.
///
/// A statement may be dropped at any time, and is stopped then; what it did is unknown, as with any statement whose
/// answer nobody saw. At the deadline it returns at once, and is stopped in the background: the next one waits for that.
/// A transaction that statements of one's own leave open is ended when the connection goes back.
pub struct Session {
    pub(super) lease: Lease<Driver>,
}

impl Session {
    pub(super) fn new(lease: Lease<Driver>) -> Self {
        Self { lease }
    }

    /// sqlx's own connection, for what is not a statement. Nothing is stopped at the deadline, until this is dropped;
    /// then what still runs is stopped, and an open transaction is ended.
    ///
    /// # Errors
    ///
    /// As for every statement.
    pub async fn raw(&mut self) -> Result<Raw<'_>, Error> {
        Raw::begin(&mut self.lease).await
    }

    /// The server's process for this connection, for a log; `None` before its first statement, and while one is being
    /// stopped.
    #[must_use]
    pub fn backend(&self) -> Option<u32> {
        self.lease.connection()?.backend.pid()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("lease", &self.lease).finish()
    }
}

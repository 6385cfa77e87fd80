//! The client itself.

use std::fmt;

use deadpool_postgres::ClientWrapper;

use super::{Driver, Error};
use crate::Lease;
use crate::postgres::flight::persistently;

/// The client of a connection, without a deadline. What it leaves behind is cleaned up when it is dropped.
pub struct Raw<'a> {
    lease: &'a mut Lease<Driver>,
}

impl<'a> Raw<'a> {
    /// Waits for what ran before, and takes back what the server was told.
    pub(super) async fn begin(lease: &'a mut Lease<Driver>) -> Result<Self, Error> {
        let in_transaction = lease.depth() > 0;
        let mut running = lease.start().await?;
        let disarming = running.connection().and_then(|connection| connection.backend.disarming());
        if let (Some(disarming), false) = (disarming, in_transaction) {
            let raced = match running.connection() {
                Some(connection) => running.race(persistently(&**connection, disarming)).await,
                None => None,
            };
            if let (Some(Ok(())), Some(connection)) = (&raced, running.connection_mut()) {
                connection.backend.disarmed();
            }
            running.end(raced)?;
        } else {
            running.end(Some(Ok(())))?;
        }
        Ok(Self { lease })
    }

    /// The client; `None` where its connection is gone.
    #[must_use]
    pub fn client(&self) -> Option<&ClientWrapper> {
        self.lease.connection().map(|connection| &connection.client)
    }

    /// The client; `None` where its connection is gone.
    #[must_use]
    pub fn client_mut(&mut self) -> Option<&mut ClientWrapper> {
        self.lease.connection_mut().map(|connection| &mut connection.client)
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        self.lease.clean();
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").finish_non_exhaustive()
    }
}

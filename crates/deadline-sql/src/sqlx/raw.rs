//! sqlx's own connection.

use std::fmt;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::Error;
use super::driver::Driver;
use super::execute::run;
use crate::Lease;

/// sqlx's own connection, without a deadline. What it leaves behind is cleaned up when it is dropped.
pub struct Raw<'a> {
    lease: &'a mut Lease<Driver>,
}

impl<'a> Raw<'a> {
    /// Waits for what ran before, and takes back what the server was told.
    pub(super) async fn begin(lease: &'a mut Lease<Driver>) -> Result<Self, Error> {
        let in_transaction = lease.depth() > 0;
        let running = lease.start().await?;
        run!(running, |held, _limit| {
            match held.backend.restoring().filter(|_| !in_transaction) {
                Some(restoring) => {
                    held.connection.execute(AssertSqlSafe(restoring)).await?;
                    held.backend.restored();
                    Ok(())
                }
                None => Ok(()),
            }
        })?;
        Ok(Self { lease })
    }

    /// The connection; `None` where it is gone.
    #[must_use]
    pub fn connection(&mut self) -> Option<&mut PgConnection> {
        self.lease.connection_mut().map(|held| &mut *held.connection)
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

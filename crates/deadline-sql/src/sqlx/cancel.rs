//! A cancel that is known to have been acted on.
//!
//! Covers `pg_cancel_backend`, called on a connection beside and waited for: when it has answered, the server's process
//! has been signalled, and a signal that finds it idle is forgotten before it reads its next command. sqlx keeps the key
//! of a CancelRequest to itself. The connection that is cancelled is still ours, so its process is the one that was
//! asked for. Does not know whether anything was running.

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Error, query_scalar};

use crate::Settings;
use crate::adapter::{Delivery, Ticket};

/// Cancels are short: two at a time are many in a second.
const CONNECTIONS: u32 = 2;

/// Stops what one connection runs.
#[derive(Clone, Debug)]
pub struct CancelTicket {
    pub(super) beside: PgPool,
    /// `None` where its server has not said yet who it is: it runs nothing else then.
    pub(super) pid: Option<i32>,
}

impl Ticket for CancelTicket {
    async fn cancel(&self) -> Delivery {
        let (Some(pid), Ok(mut connection)) = (self.pid, self.beside.acquire().await) else {
            return Delivery::NotSent;
        };
        let asking = query_scalar::<_, bool>("SELECT pg_cancel_backend($1)").bind(pid);
        match asking.fetch_one(&mut *connection).await {
            Ok(true) => Delivery::Acted,
            Ok(false) | Err(Error::Database(_)) => Delivery::NotSent,
            Err(_) => Delivery::Unknown,
        }
    }
}

/// Connections to the same server, as the same role, for cancels alone. They are opened when they are needed, and kept.
pub(super) fn beside(pool: &PgPool, settings: &Settings) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(settings.cancel_limit)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options)
}

//! A cancel that is known to have been acted on.
//!
//! Covers `pg_cancel_backend`, called on a connection beside and waited for: when it has answered, the server's process
//! has been signalled, and a signal that finds it idle is forgotten before it reads its next command. sqlx keeps the key
//! of a CancelRequest to itself. The connection that is cancelled is still ours, so its process is the one that was
//! asked for; where the connection beside has been led to another server, nothing is cancelled: a process of the same
//! number works for somebody else there. Does not know whether anything was running.

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Error, query_scalar};

use super::backend::{Process, started};
use crate::Settings;
use crate::adapter::{Delivery, Ticket};

/// Cancels are short: two at a time are many in a second.
const CONNECTIONS: u32 = 2;

const CANCEL: &str = concat!("SELECT pg_cancel_backend($1) WHERE $2 = ", started!());

/// Stops what one connection runs.
#[derive(Clone, Debug)]
pub struct CancelTicket {
    pub(super) beside: PgPool,
    /// `None` where its server has not said yet who it is: it runs nothing else then.
    pub(super) process: Option<Process>,
}

impl Ticket for CancelTicket {
    async fn cancel(&self) -> Delivery {
        let (Some(process), Ok(mut connection)) = (self.process, self.beside.acquire().await) else {
            return Delivery::NotSent;
        };
        let asking = query_scalar::<_, bool>(CANCEL).bind(process.pid).bind(process.server);
        match asking.fetch_optional(&mut *connection).await {
            Ok(Some(true)) => Delivery::Acted,
            Ok(Some(false) | None) | Err(Error::Database(_)) => Delivery::NotSent,
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

#[cfg(all(test, feature = "throwaway", unix))]
mod tests {
    use super::*;
    use crate::throwaway::{self, Server};

    const WHO: &str = concat!("SELECT pg_backend_pid(), ", started!());

    #[tokio::test]
    async fn another_servers_process_of_the_same_number_is_spared() {
        let server = match Server::builder().start() {
            Ok(server) => server,
            Err(throwaway::Error::Missing(missing)) => return eprintln!("SKIPPED: {missing}"),
            Err(error) => panic!("{error}"),
        };
        let pool = PgPoolOptions::new().connect(&server.url()).await.unwrap();
        let beside = beside(&pool, &Settings::new());
        let mut connection = pool.acquire().await.unwrap();
        let (pid, server) = sqlx::query_as::<_, (i32, i64)>(WHO).fetch_one(&mut *connection).await.unwrap();
        let ticket = |server| CancelTicket { beside: beside.clone(), process: Some(Process { pid, server }) };
        assert_eq!(ticket(server + 1).cancel().await, Delivery::NotSent);
        assert_eq!(ticket(server).cancel().await, Delivery::Acted);
        let nobody = CancelTicket { beside, process: None };
        assert_eq!(nobody.cancel().await, Delivery::NotSent);
    }
}

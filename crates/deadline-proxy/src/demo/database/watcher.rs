//! Somebody who asks the server what a backend of it does.
//!
//! Covers what a statement was told, and when its backend was idle again: what others see of it, and not what its own
//! client believes.

use std::time::Duration;

use deadline_sql::Undrained;
use deadline_sql::deadpool_postgres::{Error, Pool};
use tokio::sync::watch;
use tokio::time::sleep;
use tower_deadline::{Deadline, now};

use crate::demo::ledger::Page;

/// How often it asks.
const TICK: Duration = Duration::from_millis(2);

const SEEN: &str = "SELECT state, application_name FROM pg_stat_activity WHERE pid = $1";

/// A connection of its own, without a deadline.
#[derive(Clone)]
pub(super) struct Watcher {
    pool: Pool,
}

impl Watcher {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Connects.
    pub(super) async fn ready(&self, deadline: Deadline) -> Result<(), Error> {
        self.pool.get_before(deadline).await.map(drop)
    }

    /// Follows a backend in the background, until it is idle after its statement is over.
    pub(super) fn watch(&self, page: Page, backend: Option<u32>, over: watch::Receiver<()>) {
        let pool = self.pool.clone();
        // A record that nobody completes is shown as that of somebody busy.
        tokio::spawn(async move { follow(&pool, &page, backend, &over).await.ok() });
    }

    pub(super) async fn drain(&self, limit: Duration) -> Result<(), Undrained> {
        self.pool.drain(limit).await
    }
}

async fn follow(pool: &Pool, page: &Page, backend: Option<u32>, over: &watch::Receiver<()>) -> Result<(), Error> {
    let Some(backend) = backend.and_then(|backend| i32::try_from(backend).ok()) else { return Ok(()) };
    let mut connection = pool.get().await?;
    let seen = connection.prepare_cached(SEEN).await?;
    loop {
        // It is over once its client says so; before that, an idle backend is one that has not begun.
        let is_over = over.has_changed().is_err();
        let row = connection.query_opt(&seen, &[&backend]).await?;
        let state = row.as_ref().and_then(|row| row.try_get(0).ok());
        if state == Some("active") {
            let name = row.as_ref().and_then(|row| row.try_get(1).ok());
            page.edit(|entry| entry.told(name.unwrap_or_default()));
        } else if is_over {
            page.edit(|entry| entry.ended = Some(now()));
            return Ok(());
        }
        sleep(TICK).await;
    }
}

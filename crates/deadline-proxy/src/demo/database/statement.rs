//! A statement that works for a while, and its record.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{Error, Pool};
use tokio::sync::watch;
use tower_deadline::{BoxError, Cause, now};

use super::watcher::Watcher;
use crate::demo::Hop;
use crate::demo::ledger::{Entry, Ledger, Page};

/// The session calls itself by what it was told, so that others see that, and then it works.
const WORK: &str = "SELECT set_config('application_name', setting, true), pg_sleep($1)
    FROM pg_settings WHERE name = 'statement_timeout'";

/// What sends statements.
#[derive(Clone)]
pub(in crate::demo) struct Statements {
    pool: Pool,
    watcher: Watcher,
    ledger: Ledger,
}

impl Statements {
    pub(super) fn new(pool: Pool, watcher: Watcher, ledger: Ledger) -> Self {
        Self { pool, watcher, ledger }
    }

    /// Works for so long in the server. Nothing is said of a deadline: it is that of the request.
    pub(in crate::demo) async fn work(self, work: Duration) -> Result<(), BoxError> {
        let mut connection = self.pool.get().await?;
        let mut visit = Visit::begin(&self.ledger);
        self.watcher.watch(visit.page.clone(), connection.backend(), visit.over.subscribe());
        let outcome = connection.query_one(WORK, &[&work.as_secs_f64()]).await;
        visit.cause = outcome.as_ref().err().and_then(Error::interrupted).map(|stopped| stopped.exceeded().cause());
        let told: String = outcome?.try_get(0)?;
        visit.page.edit(|entry| entry.told(&told));
        Ok(())
    }
}

/// Open until nobody waits for the statement any more: for whatever cause.
struct Visit {
    page: Page,
    cause: Option<Cause>,
    over: watch::Sender<()>,
}

impl Visit {
    fn begin(ledger: &Ledger) -> Self {
        let entry = Entry {
            hop: Hop::Database,
            arrived: now(),
            field: None,
            budget: None,
            ended: None,
            cause: None,
            journey: None,
        };
        Self { page: ledger.open(entry), cause: Some(Cause::ClientGone), over: watch::Sender::new(()) }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.page.edit(|entry| entry.cause = self.cause);
    }
}

impl Entry {
    /// The milliseconds of `statement_timeout`, as the server says them; 0 is none.
    pub(super) fn told(&mut self, setting: &str) {
        if let Some(millis) = setting.parse().ok().filter(|millis| *millis > 0) {
            self.field = Some(format!("{millis}ms"));
            self.budget = Some(Duration::from_millis(millis));
        }
    }
}

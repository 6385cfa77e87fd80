//! Somebody who asks the server what it does.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

use super::{Database, connect};
use crate::support::{MS, soon};

/// Sees the sessions of one database, and is none of them.
pub(crate) struct Watcher {
    /// For what else a test asks of the server, as somebody else: a superuser, in the database `postgres`.
    pub(crate) client: Client,
    database: String,
    /// Those of this name only.
    application: Option<String>,
}

/// Those that clients have asked for, and what works for them.
const OURS: &str = "datname = $1 AND ($2::text IS NULL OR application_name = $2)
    AND backend_type IN ('client backend', 'parallel worker')";

impl Watcher {
    pub(super) async fn of(database: &Database) -> Self {
        let beside = Database { name: "postgres".to_owned(), address: database.address };
        Self { client: connect(&beside.config()).await, database: database.name.clone(), application: None }
    }

    /// Sees only those that call themselves so (`application_name`).
    pub(crate) fn only(self, application: &str) -> Self {
        Self { application: Some(application.to_owned()), ..self }
    }

    /// How many run a statement.
    pub(crate) async fn active(&self) -> usize {
        self.count("state = 'active'").await
    }

    /// How many have a transaction open, and run nothing.
    pub(crate) async fn idle_in_transaction(&self) -> usize {
        self.count("state LIKE 'idle in transaction%'").await
    }

    /// How many there are.
    pub(crate) async fn backends(&self) -> usize {
        self.count("true").await
    }

    /// Their processes.
    pub(crate) async fn pids(&self) -> BTreeSet<i32> {
        let rows = self.rows("pid", "true").await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Waits until none runs a statement or has a transaction open, and says how long that took. Fails with what they do
    /// where it takes longer than the bound.
    #[track_caller]
    pub(crate) fn until_idle(&self, bound: Duration) -> impl Future<Output = Duration> {
        let caller = std::panic::Location::caller();
        async move {
            let start = Instant::now();
            loop {
                let busy = self.busy().await;
                let took = start.elapsed();
                if busy.is_empty() {
                    return took;
                }
                assert!(took <= bound, "{caller}: not idle after {took:?}: {busy:#?}");
                sleep(2 * MS).await;
            }
        }
    }

    /// Waits until so many run a statement.
    pub(crate) async fn until_active(&self, number: usize) {
        let waiting = async {
            while self.active().await != number {
                sleep(2 * MS).await;
            }
        };
        soon("so many active backends", waiting).await;
    }

    /// What those do that are not idle.
    async fn busy(&self) -> Vec<String> {
        let what =
            "pid || ' ' || backend_type || ', ' || state || ', ' || coalesce(wait_event, 'running') || ': ' || query";
        let rows = self.rows(what, "state <> 'idle'").await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn count(&self, which: &str) -> usize {
        self.rows("pid", which).await.len()
    }

    async fn rows(&self, what: &str, which: &str) -> Vec<tokio_postgres::Row> {
        let text = format!("SELECT {what} FROM pg_stat_activity WHERE {OURS} AND {which}");
        let asking = async { self.client.query(&text, &[&self.database, &self.application]).await };
        soon("the watcher", asking).await.expect("the server can be asked")
    }
}

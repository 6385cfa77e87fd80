//! The storm, beside the naive use of the same pool.

use deadline_sql::sqlx::Pool;
use http_deadline::Deadline;
use sqlx::postgres::PgPool;
use sqlx::query;
use tokio::time::timeout_at;

use super::super::storm::{POOL, Ran, Storm, Subject};
use super::{naive, pool};
use crate::sql::support::Database;

/// sqlx's own ping closes a connection now and then, and its pool grows late: measured 13 with a pool that grew.
const RECONNECTS: usize = 4;

struct Wrapped(Pool);

impl Subject for Wrapped {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        let Ok(mut connection) = self.0.get_before(deadline).await else { return Ran::Unsent };
        let answered = query(statement).execute(&mut *connection).await;
        if answered.is_ok() { Ran::Answered } else { Ran::Stopped }
    }
}

/// A timeout around the call, as people write it.
struct Naive(PgPool);

impl Subject for Naive {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        let (at, mut ran) = (deadline.instant().into(), Ran::Unsent);
        let call = async {
            let mut connection = self.0.acquire().await.ok()?;
            ran = Ran::Stopped;
            query(statement).execute(&mut *connection).await.ok()
        };
        match timeout_at(at, call).await {
            Ok(Some(_)) => Ran::Answered,
            _ => ran,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_passes_and_leaves_every_connection_as_it_was() {
    let (database, other) = (Database::new().await, Database::new().await);
    let theirs = Naive(naive(&other, u32::try_from(POOL).unwrap()));
    let naive = Storm::over("tokio's timeout around sqlx", &other, theirs).await;
    let ours = Wrapped(pool(&database, u32::try_from(POOL).unwrap()));
    let wrapped = Storm::over("deadline-sql on sqlx", &database, ours).await;
    println!("{naive}\n{wrapped}");
    wrapped.assert_weathered();
    // Two are those for cancels.
    assert!(wrapped.reconnects <= RECONNECTS + 2, "{wrapped}");
    assert!(naive.active[2].1 > 0 && naive.healthy == 0, "without it there is nothing to weather: {naive}");
}

//! The storm, beside the naive use of diesel-async's own pool.

use deadline_sql::diesel_async::Pool;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::deadpool::Pool as NaivePool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use http_deadline::Deadline;
use tokio::time::timeout_at;

use super::super::storm::{POOL, Ran, Storm, Subject};
use super::super::support::Database;
use super::pool;

struct Wrapped(Pool);

impl Subject for Wrapped {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        let Ok(mut connection) = self.0.get_before(deadline).await else { return Ran::Unsent };
        let answered = diesel::sql_query(statement).execute(&mut connection).await;
        if answered.is_ok() { Ran::Answered } else { Ran::Stopped }
    }
}

/// A timeout around the call, as people write it.
struct Naive(NaivePool<AsyncPgConnection>);

impl Naive {
    fn new(database: &Database) -> Self {
        let manager = AsyncDieselConnectionManager::new(database.url());
        Self(NaivePool::builder(manager).max_size(POOL).build().expect("a pool needs nothing more"))
    }
}

impl Subject for Naive {
    async fn run(&self, statement: &'static str, deadline: Deadline) -> Ran {
        let (at, mut ran) = (deadline.instant().into(), Ran::Unsent);
        let call = async {
            let mut connection = self.0.get().await.expect("the server takes connections");
            ran = Ran::Stopped;
            diesel::sql_query(statement).execute(&mut connection).await.expect("nobody stops it");
        };
        let answered = timeout_at(at, call).await;
        if answered.is_ok() { Ran::Answered } else { ran }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_passes_and_leaves_every_connection_as_it_was() {
    let (database, other) = (Database::new().await, Database::new().await);
    let naive = Storm::over("tokio's timeout around diesel-async", &other, Naive::new(&other)).await;
    let wrapped = Storm::over("deadline-sql on diesel-async", &database, Wrapped(pool(&database, POOL))).await;
    println!("{naive}\n{wrapped}");
    wrapped.assert_weathered();
    assert_eq!(wrapped.reconnects, 0, "{wrapped}");
    // Its pool replaces what it finds to be broken, as often as it has to: some of the healthy ones are served.
    assert!(naive.active[2].1 > 0, "without it there is nothing to weather: {naive}");
}

//! Bad days of deadpool-postgres: whatever is down, full, frozen or cut off, there is a clear error in bounded time, the
//! connection is closed, its place in the pool is free, and the pool is of use again afterwards.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{Connection, Error, Pool};
use deadline_sql::throwaway::Server;
use deadline_sql::{DriverError, Outcome, Settings, Stopped, Verdict};
use http_deadline::Stage;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tower_deadline::{Deadline, now};

use super::support::{Counts, Database, Newcomers, Relay, own_server, server};
use crate::support::{MS, SLACK, Stopwatch, signal, soon};

mod cut_off;
mod gone;

const LONG: Duration = Duration::from_secs(20);
const UNSETTLED: &str = "deadline_sql_unsettled_total";
const DISCARDED: &str = "deadline_sql_cancelled_total{outcome=discarded}";
const SETTLING: &str = "deadline_sql_settling";

/// The time from the first cancel to the closing, in the settings of these tests: two cancels that are not answered, or
/// two waits.
const LADDER: Duration = Duration::from_millis(200);

fn settings() -> Settings {
    Settings::new().cancel_limit(LADDER / 2).drains([LADDER / 2; 2])
}

fn pool(config: Config) -> Pool {
    Pool::builder(config, NoTls)
        .max_size(1)
        .settings(settings())
        .build()
        .expect("a pool needs nothing more")
}

fn within(budget: Duration) -> Deadline {
    Deadline::after(now(), budget)
}

async fn assert_usable(pool: &Pool) {
    let mut connection = pool.get_before(within(LONG)).await.expect("there is a connection");
    let row = connection.query_one("SELECT $1::int4", &[&7_i32]).await.expect("it answers");
    assert_eq!(row.get::<_, i32>(0), 7);
}

/// What a caller is told who gets no connection.
async fn refusal(pool: &Pool) -> Error {
    let start = Stopwatch::start();
    let refused = pool.get_before(within(LONG)).await.map(drop).unwrap_err();
    assert!(start.elapsed() < LONG / 2, "{refused} after {:?}", start.elapsed());
    assert_eq!(pool.status().size, 0, "{refused}");
    refused
}

/// The connection is known not to have come to rest, and closed.
async fn assert_given_up(pool: &Pool, counts: &Counts) {
    let closed = async {
        while pool.status().size > 0 || counts.of(SETTLING) > 0.0 {
            tokio::time::sleep(5 * MS).await;
        }
    };
    timeout(LADDER + 50 * MS + SLACK, closed).await.expect("it is closed in bounded time");
    assert_eq!((counts.of(UNSETTLED), counts.of(DISCARDED)), (1.0, 1.0), "{counts:?}");
}

/// A statement that takes too long, dropped early: the server's own timer does not help.
async fn drop_early(mut connection: Connection) {
    let dropped = timeout(30 * MS, connection.query("SELECT pg_sleep(20)", &[])).await;
    assert!(dropped.is_err(), "{dropped:?}");
}

#[tokio::test]
async fn a_connection_that_comes_to_rest_is_not_counted_as_given_up() {
    let (counts, database) = (Counts::default(), Database::new().await);
    let _recording = counts.record();
    let pool = pool(database.config());
    drop_early(pool.get_before(within(LONG)).await.unwrap()).await;
    assert_usable(&pool).await;
    assert_eq!((counts.of(UNSETTLED), counts.of(DISCARDED), counts.of(SETTLING)), (0.0, 0.0, 0.0));
    assert_eq!(counts.of("deadline_sql_cancelled_total{outcome=cancel_request}"), 1.0);
    assert_eq!((counts.of("deadline_sql_pool_wait_seconds"), counts.of("deadline_sql_overrun_seconds")), (2.0, 1.0));
}

#[tokio::test]
async fn a_wrong_url_is_told_in_bounded_time_and_nothing_is_kept() {
    let database = Database::new().await;
    let mut wrong = database.config();
    let nobody = refusal(&pool(wrong.dbname("not_there").clone())).await;
    let Error::Unavailable(error) = &nobody else { panic!("{nobody:?}") };
    assert_eq!(error.sqlstate(), Some("3D000"));
    assert!(!nobody.is_transient() && nobody.outcome() == Outcome::NotStarted);
    let mut stranger = database.config();
    let nobody = refusal(&pool(stranger.user("nobody_of_this_name").clone())).await;
    assert!(matches!(&nobody, Error::Unavailable(error) if error.sqlstate() == Some("28000")), "{nobody:?}");
    assert!(!nobody.is_transient());
    let unresolved = refusal(&pool("host=not-there.invalid user=u".parse().unwrap())).await;
    assert!(matches!(&unresolved, Error::Unavailable(_)), "{unresolved:?}");
    let hostless = refusal(&pool("user=u".parse().unwrap())).await;
    assert!(matches!(&hostless, Error::Unavailable(_)), "{hostless:?}");
    assert_eq!(hostless.to_string(), "no connection to the database");
}

#[tokio::test]
async fn a_full_server_is_told_and_is_transient() {
    let server = own_server(Server::builder().setting("max_connections", "5"));
    let database = Database::on(&server).await;
    let pool = pool(database.config());
    let mut guests = Vec::new();
    let full = loop {
        match database.config().connect(NoTls).await {
            Ok((client, connection)) => guests.push((client, tokio::spawn(connection))),
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    let refused = refusal(&pool).await;
    assert!(matches!(&refused, Error::Unavailable(error) if error.sqlstate() == Some("53300")), "{refused:?}");
    assert!(refused.is_transient());
    drop(guests);
    let free = async {
        while pool.get_before(within(LONG)).await.is_err() {
            tokio::time::sleep(5 * MS).await;
        }
    };
    soon("a place", free).await;
    assert_usable(&pool).await;
}

//! diesel-async: no statement outlives its request, and no connection suffers for it.

use std::time::Duration;

use deadline_sql::diesel_async::{Connection, Pool, interrupted};
use deadline_sql::{Outcome, Settings, Stopped};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::RunQueryDsl;
use tokio_postgres::NoTls;
use tower_deadline::{Deadline, Exceeded, Stage, now};

use super::support::Database;
use crate::support::MS;

mod foreign;
mod methods;
mod rows;
mod statements;
mod storm;
mod transactions;

/// The most that a sleep or a wait for a lock may go on after the end of its request.
const PROMPT: Duration = Duration::from_millis(250);
/// What no test waits for.
const FOREVER: &str = "SELECT pg_sleep(60)";

diesel::table! {
    items (id) {
        id -> Integer,
        name -> Text,
    }
}

fn pool(database: &Database, size: usize) -> Pool {
    pool_by(database, size, Settings::new())
}

fn pool_by(database: &Database, size: usize, settings: Settings) -> Pool {
    let builder = Pool::builder(database.config(), NoTls).max_size(size).settings(settings);
    builder.build().expect("a pool needs nothing more")
}

/// A database with a table of [`items`].
async fn with_items() -> Database {
    let database = Database::new().await;
    let made = database
        .connect()
        .await
        .batch_execute("CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL)")
        .await;
    made.expect("a table can be made");
    database
}

/// In so many milliseconds.
fn within(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
}

/// Where a deadline stopped it, what did, and what became of its effects. The layers see the same.
fn said(error: &Error) -> Option<(Stage, Stopped, Outcome)> {
    let interrupted = interrupted(error);
    let found = Exceeded::find(error).map(Exceeded::stage);
    assert_eq!(found, interrupted.map(|interrupted| interrupted.exceeded().stage()), "{error:?}");
    interrupted.map(|interrupted| (interrupted.exceeded().stage(), interrupted.stopped(), interrupted.outcome()))
}

/// What the server itself says, if it is the server, and diesel has no name for it.
fn message(error: &Error) -> &str {
    match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, told) => told.message(),
        other => panic!("{other:?}"),
    }
}

async fn run(connection: &mut Connection, statement: &str) -> Result<usize, Error> {
    diesel::sql_query(statement).execute(connection).await
}

/// The server's process, asked of the server.
async fn pid(connection: &mut Connection) -> i32 {
    let query = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()"));
    query.get_result(connection).await.expect("it is there")
}

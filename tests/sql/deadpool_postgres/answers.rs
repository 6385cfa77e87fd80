//! Answers that are not what was asked for.

use deadline_sql::Outcome;

use super::super::support::Database;
use super::{PROMPT, pool, sqlstate, within};
use crate::support::soon;

#[tokio::test]
async fn a_second_row_that_nobody_wants_leaves_no_statement_running() {
    let database = Database::new().await;
    let (watcher, pool) = (database.watcher().await, pool(&database, 1));
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    let backend = connection.backend();
    let endless = "SELECT repeat('x', 100000) FROM generate_series(1, 1000000)";
    let error = soon("the second row", connection.query_one(endless, &[])).await.unwrap_err();
    assert_eq!((sqlstate(&error), error.interrupted().is_none()), (None, true), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "it may have been an INSERT … RETURNING");
    drop(connection);
    watcher.until_idle(PROMPT).await;
    let mut connection = soon("the connection", pool.get()).await.unwrap();
    connection.query_one("SELECT 7", &[]).await.unwrap();
    assert_eq!(connection.backend(), backend);
}

#[tokio::test]
async fn a_transaction_of_ones_own_words_can_be_ended_after_a_failure() {
    let database = Database::new().await;
    let pool = pool(&database, 1);
    let mut connection = pool.get_before(within(60_000)).await.unwrap();
    for end in ["ROLLBACK", "ROLLBACK TO SAVEPOINT s"] {
        connection.batch_execute("BEGIN; SAVEPOINT s").await.unwrap();
        connection.batch_execute("SELECT 1 / 0").await.unwrap_err();
        // What is told before it fails, as everything does in such a transaction.
        connection.batch_execute(end).await.unwrap();
        connection.query_one("SELECT 7", &[]).await.unwrap();
    }
}

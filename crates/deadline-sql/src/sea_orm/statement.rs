//! One statement of sea-orm, on a session of ours.

use sea_orm::{DbErr, ExecResult, QueryResult, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Executor, IntoArguments};

use super::query_error;
use crate::sqlx::Session;

pub(super) async fn execute(session: &mut Session, statement: Statement) -> Result<ExecResult, DbErr> {
    session.execute(query(statement)).await.map(ExecResult::from).map_err(query_error)
}

pub(super) async fn execute_unprepared(session: &mut Session, statements: &str) -> Result<ExecResult, DbErr> {
    session
        .execute(AssertSqlSafe(statements.to_owned()))
        .await
        .map(ExecResult::from)
        .map_err(query_error)
}

pub(super) async fn query_one(session: &mut Session, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
    let row = session.fetch_optional(query(statement)).await;
    row.map(|row| row.map(QueryResult::from)).map_err(query_error)
}

pub(super) async fn query_all(session: &mut Session, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
    let rows = session.fetch_all(query(statement)).await;
    rows.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(query_error)
}

/// As sqlx takes it: always with parameters, if with none, as sea-orm does it, so that every value comes in its binary
/// form.
fn query(statement: Statement) -> (AssertSqlSafe<String>, Option<PgArguments>) {
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    (AssertSqlSafe(statement.sql), Some(values.into_arguments()))
}

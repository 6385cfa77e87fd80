//! deadline-sql on a real PostgreSQL, which the tests start themselves.

mod bad_days;
mod cost;
mod deadpool_postgres;
mod diesel_async;
mod http;
mod naive;
mod pgbouncer;
mod sea_orm;
mod sqlx;
mod storm;
pub(crate) mod support;
mod ways;

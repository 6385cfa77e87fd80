//! deadline-sql on a real PostgreSQL, which the tests start themselves.

mod bad_days;
mod cost;
mod deadpool_postgres;
mod deadpool_postgres;
mod cost;
mod diesel_async;
mod diesel_async;
mod naive;
mod pgbouncer;
mod pgbouncer;
mod sea_orm;
mod sqlx;
mod http;
mod storm;
mod support;
mod ways;

//! deadline-sql on a real PostgreSQL, which the tests start themselves.

mod deadpool_postgres;
mod storm;
mod bad_days;
mod pgbouncer;
mod support;

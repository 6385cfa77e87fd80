//! deadline-sql on a real PostgreSQL, which the tests start themselves.

mod support;

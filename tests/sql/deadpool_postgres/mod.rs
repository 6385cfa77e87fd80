//! deadpool-postgres: no statement outlives its request, and no connection suffers for it.

use deadline_sql::Settings;
use deadline_sql::deadpool_postgres::Pool;
use tokio_postgres::NoTls;

use super::support::Database;

mod storm;

fn pool(database: &Database, size: usize) -> Pool {
    pool_with(database, size, Settings::new())
}

fn pool_with(database: &Database, size: usize, settings: Settings) -> Pool {
    let builder = Pool::builder(database.config(), NoTls).max_size(size).settings(settings);
    builder.build().expect("a pool needs nothing more")
}

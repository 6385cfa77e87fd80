//! Two tiers on a database: a strict primary for what has to be right, and a soft replica with something in its place.
//!
//! ```text
//! cargo run -p deadline-examples --example two_tiers
//! ```
//!
//! It starts a PostgreSQL of its own, which is both of them here.

use std::cell::Cell;
use std::time::Duration;

use deadline_sql::deadpool_postgres::tokio_postgres::NoTls;
use deadline_sql::deadpool_postgres::{Error, Pool};
use deadline_sql::throwaway::{self, Server};
use deadline_sql::tiers::{Soft, Strict};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tower_deadline::{BoxError, Deadline, Policy, now, remaining, scope};

const MS: Duration = Duration::from_millis(1);

const SCHEMA: &str = "
    CREATE TABLE orders (number int GENERATED ALWAYS AS IDENTITY, goods text);
    CREATE TABLE goods (name text, sold int);
    INSERT INTO goods VALUES ('kettle', 12), ('teapot', 7)";

/// What a replica may be like.
const WELL: &str = "";
const LOST: &str = "SELECT pg_terminate_backend(pg_backend_pid())";
const HANGS: &str = "SELECT pg_sleep(5)";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = match spawn_blocking(Server::start).await? {
        Err(throwaway::Error::Missing(missing)) => {
            println!("skipped: {missing}");
            return Ok(());
        }
        started => started?,
    };
    let shop = Shop::open(&server.url())?;
    shop.writes.get().await?.batch_execute(SCHEMA).await?;

    println!("primary: {}", shop.order("kettle").await?);
    println!("primary, locked: {}", shop.order_while_locked().await?);
    for (replica, accident) in [("well", WELL), ("lost", LOST), ("hangs", HANGS)] {
        // As a `DeadlineLayer` does for each request.
        let request = Deadline::after(now(), 1_000 * MS);
        println!("replica, {replica}: {}", scope(request, shop.advise(accident)).await??);
    }
    println!("running on the server: {}", shop.running().await?);
    Ok(())
}

struct Shop {
    primary: Strict,
    writes: Pool,
    replica: Soft,
    reads: Pool,
}

impl Shop {
    fn open(url: &str) -> Result<Self, BoxError> {
        let pool = || Ok::<_, BoxError>(Pool::builder(url.parse()?, NoTls).max_size(2).build()?);
        let payment = Policy::new().named("payment").default_timeout(300 * MS);
        let read = Policy::new().named("replica-read").default_timeout(2_000 * MS).reserve(100 * MS);
        Ok(Self { primary: Strict::new(payment), writes: pool()?, replica: Soft::new(read), reads: pool()? })
    }

    /// Orders, or says that it did not.
    async fn order(&self, goods: &str) -> Result<String, Error> {
        let insert = "INSERT INTO orders (goods) VALUES ($1) RETURNING number";
        let placed = self.primary.run(async || {
            let mut connection = self.writes.get().await?;
            Ok(connection.query_one(insert, &[&goods]).await?.get::<_, i32>(0))
        });
        match placed.await {
            Ok(number) => Ok(format!("order {number}")),
            // What is known of it is in the error: `rolled_back` may be ordered again, `unknown` may not.
            Err(Error::Exceeded(late)) => Ok(format!("no order: {late}")),
            Err(error) => Err(error),
        }
    }

    async fn order_while_locked(&self) -> Result<String, Error> {
        let mut somebody = self.reads.get().await?;
        let mut locking = somebody.transaction().await?;
        locking.batch_execute("LOCK TABLE orders").await?;
        let told = self.order("teapot").await?;
        locking.rollback().await?;
        Ok(told)
    }

    /// What sells best, asked from a replica to which this happens at the first attempt.
    async fn advise(&self, accident: &str) -> Result<String, Error> {
        let attempts = Cell::new(0);
        let read = self.replica.run(async || {
            attempts.set(attempts.get() + 1);
            let mut connection = self.reads.get().await?;
            if attempts.get() == 1 {
                connection.batch_execute(accident).await?;
            }
            let rows = connection.query("SELECT name FROM goods ORDER BY sold DESC", &[]).await?;
            let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
            Ok(format!("{} in {} of at most 2 attempts", names.join(" and "), attempts.get()))
        });
        let fallback = async |_| {
            let left = remaining().unwrap_or_default().as_millis();
            Ok(format!("what sold best last week, with {left} ms left"))
        };
        read.or_else(fallback).await
    }

    /// How many statements are still active.
    async fn running(&self) -> Result<i64, Error> {
        sleep(250 * MS).await;
        let count = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'";
        Ok(self.writes.get().await?.query_one(count, &[]).await?.get(0))
    }
}

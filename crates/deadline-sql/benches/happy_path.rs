//! What a deadline costs a statement that is in time: raw tokio-postgres and deadpool beside ours, in the same run, on a
//! server that is started for it.
//!
//! Covers the time of a prepared `SELECT 1` on loopback, on a connection that is held and with one out of the pool for
//! each. Beside them stands what the raw driver takes with a `SET` in the same flight: nine tenths of the difference are
//! the server's, for answering a second message at all. Round trips are counted in `tests/sql/cost.rs`; they are the
//! same. Figures are for one machine on one day.
//!
//! ```text
//! taskset -c 1 cargo bench -p deadline-sql --features deadpool-postgres,throwaway --bench happy_path
//! ```
//!
//! All on one processor: else each process of the server stays on another one for a while or does not, which is worth
//! more than what is measured.

#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::time::{Duration, Instant};

use deadline_sql::deadpool_postgres::Pool;
use deadline_sql::deadpool_postgres::tokio_postgres::{Config, NoTls};
use deadline_sql::throwaway::{Error, Server};
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use futures_util::future::join;
use http_deadline::Deadline;

/// Each way in turn, a few statements at a time, so often: a machine that is busy for a while is busy for all.
const ROUNDS: usize = 2_000;
const BATCH: usize = 5;
/// What a deadline may cost a statement.
const MOST: f64 = 10.0;
const STATEMENT: &str = "SELECT 1";
const SET: &str = "SET statement_timeout = 60000";
const BUDGET: Duration = Duration::from_secs(60);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// One way to run the statement, and how long that took each time, in microseconds.
struct Way {
    name: &'static str,
    took: Vec<f64>,
}

impl Way {
    fn new(name: &'static str) -> Self {
        Self { name, took: Vec::with_capacity(ROUNDS * BATCH) }
    }

    fn add(&mut self, since: Instant) {
        self.took.push(since.elapsed().as_secs_f64() * 1e6);
    }

    fn quantile(&self, share: f64) -> f64 {
        quantile(&self.took, share)
    }

    /// By how much each batch took longer, for each of its statements.
    fn more_than(&self, other: &Self) -> Vec<f64> {
        let batches = self.took.chunks(BATCH).zip(other.took.chunks(BATCH));
        batches.map(|(ours, theirs)| quantile(ours, 0.5) - quantile(theirs, 0.5)).collect()
    }
}

fn quantile(took: &[f64], share: f64) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (share * (sorted.len() - 1) as f64) as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// The median of what it takes more, beside the least and the most of those of ten parts of the run.
fn print(raw: &Way, other: &Way) -> f64 {
    let each = other.more_than(raw);
    let parts: Vec<f64> = each.chunks(each.len() / 10).map(|part| quantile(part, 0.5)).collect();
    let (more, least, most) = (quantile(&each, 0.5), quantile(&parts, 0.0), quantile(&parts, 1.0));
    let (half, late) = (other.quantile(0.5), other.quantile(0.99));
    println!("{:<30} p50 {half:>6.1} µs  p99 {late:>7.1} µs  {more:>+5.1} µs ({least:+.1} to {most:+.1})", other.name);
    more
}

async fn held(config: &Config) -> Outcome<f64> {
    let raw_pool = raw_pool(config)?;
    let raw_client = raw_pool.get().await?;
    let raw_statement = raw_client.prepare(STATEMENT).await?;
    let pool = Pool::builder(config.clone(), NoTls).max_size(2).build()?;
    let mut bounded = pool.get_before(Deadline::after(Instant::now(), 60 * BUDGET)).await?;
    let bounded_statement = bounded.prepare(STATEMENT).await?;
    let mut unbounded = pool.get().await?;
    let unbounded_statement = unbounded.prepare(STATEMENT).await?;
    let names = ["held: raw", "held: raw, and a SET", "held: ours, no deadline", "held: ours, a deadline"];
    let mut ways = names.map(Way::new);
    for _ in 0..ROUNDS {
        let [raw, set, without, with] = &mut ways;
        for _ in 0..BATCH {
            let start = Instant::now();
            raw_client.query_one(&raw_statement, &[]).await?;
            raw.add(start);
        }
        for _ in 0..BATCH {
            let start = Instant::now();
            let answers = join(raw_client.batch_execute(SET), raw_client.query_one(&raw_statement, &[])).await;
            answers.0.and(answers.1)?;
            set.add(start);
        }
        for _ in 0..BATCH {
            let start = Instant::now();
            unbounded.query_one(&unbounded_statement, &[]).await?;
            without.add(start);
        }
        for _ in 0..BATCH {
            let start = Instant::now();
            bounded.query_one(&bounded_statement, &[]).await?;
            with.add(start);
        }
    }
    Ok(table(&ways))
}

async fn pooled(config: &Config) -> Outcome {
    let raw_pool = raw_pool(config)?;
    let pool = Pool::builder(config.clone(), NoTls).max_size(1).build()?;
    let mut ways = ["with get(): raw", "with get(): ours, no deadline", "with get(): ours, a deadline"].map(Way::new);
    for _ in 0..ROUNDS {
        let [raw, without, with] = &mut ways;
        for _ in 0..BATCH {
            let start = Instant::now();
            let client = raw_pool.get().await?;
            let statement = client.prepare_cached(STATEMENT).await?;
            client.query_one(&statement, &[]).await?;
            drop(client);
            raw.add(start);
        }
        for (way, budget) in [(without, None), (with, Some(BUDGET))] {
            for _ in 0..BATCH {
                let start = Instant::now();
                let mut connection = match budget {
                    Some(budget) => pool.get_before(Deadline::after(start, budget)).await?,
                    None => pool.get().await?,
                };
                let statement = connection.prepare_cached(STATEMENT).await?;
                connection.query_one(&statement, &[]).await?;
                drop(connection);
                way.add(start);
            }
        }
    }
    table(&ways);
    Ok(())
}

fn raw_pool(config: &Config) -> Outcome<deadpool_postgres::Pool> {
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config.clone(), NoTls, manager);
    Ok(deadpool_postgres::Pool::builder(manager).max_size(1).build()?)
}

/// By how much the last takes more than the first.
fn table(ways: &[Way]) -> f64 {
    let [raw, ..] = ways else { return 0.0 };
    ways.iter().fold(0.0, |_, way| print(raw, way))
}

fn main() -> Outcome {
    let server = match Server::start() {
        Ok(server) => server,
        Err(Error::Missing(missing)) => {
            println!("skipped: {missing}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let config: Config = server.url().parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let more = runtime.block_on(async {
        // As a service has one for each request: a runtime without a timer does not look at the clock.
        let _timer = tokio::spawn(tokio::time::sleep(60 * BUDGET));
        pooled(&config).await?;
        held(&config).await
    })?;
    println!("a statement: {} at most {MOST} µs more", if more <= MOST { "ok," } else { "FAILED, not" });
    Ok(())
}

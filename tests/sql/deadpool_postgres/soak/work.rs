//! What the workers do.

use std::time::Duration;

use deadline_sql::deadpool_postgres::{Error, Pool};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tower_deadline::{Deadline, now};

use super::tally::Tally;
use crate::support::Chance;

/// One after the other, until then: half of it is let be.
pub(super) async fn worker(pool: Pool, number: usize, until: Instant) -> Tally {
    let mut tally = Tally::default();
    for part in 0.. {
        if Instant::now() >= until {
            break;
        }
        let mut chance = Chance::of(part, number);
        let id = i64::try_from(part * 1_000).unwrap() + i64::try_from(number).unwrap() + 1;
        match chance.share() {
            ..0.5 => tally.innocent(innocent(&pool, id, &mut chance).await),
            ..0.8 => leaves(&pool, -id, &mut chance, &mut tally).await,
            _ => {
                let deadline = Deadline::after(now(), moment(&mut chance));
                tally.ended(task(&pool, deadline, -id, &mut chance).await);
            }
        }
    }
    tally
}

/// From now to 12 ms.
fn moment(chance: &mut Chance) -> Duration {
    Duration::from_micros(chance.number() % 12_000)
}

/// Somebody without a deadline, who stays to the end: how many rows were kept.
async fn innocent(pool: &Pool, id: i64, chance: &mut Chance) -> Result<i64, Error> {
    let mut connection = pool.get().await?;
    match chance.share() {
        ..0.34 => {
            let mut transaction = connection.transaction().await?;
            transaction.execute("INSERT INTO work VALUES ($1)", &[&id]).await?;
            transaction.query_typed("SELECT pg_sleep(0.001)", &[]).await?;
            transaction.commit().await?;
            return Ok(1);
        }
        ..0.5 => {
            let row = connection.query_one("SHOW statement_timeout", &[]).await?;
            assert_eq!(row.get::<_, &str>(0), "0", "nobody else's time is left behind");
        }
        _ => {
            let row = connection.query_one("SELECT $1::int8, pg_sleep(0.001)", &[&id]).await?;
            assert_eq!(row.get::<_, i64>(0), id, "an answer of its own");
        }
    }
    Ok(0)
}

/// Somebody who leaves at any point, also before the first step, and right after it.
async fn leaves(pool: &Pool, id: i64, chance: &mut Chance, tally: &mut Tally) {
    let (share, moment) = (chance.share(), moment(chance));
    let task = task(pool, Deadline::after(now(), Duration::from_secs(60)), id, chance);
    let ended = match share {
        ..0.05 => None,
        ..0.15 => task.now_or_never(),
        _ => timeout(moment, task).await.ok(),
    };
    match ended {
        Some(ended) => tally.ended(ended),
        None => tally.dropped += 1,
    }
}

/// A third of it in a transaction, which also has a part that is undone.
async fn task(pool: &Pool, deadline: Deadline, id: i64, chance: &mut Chance) -> Result<(), Error> {
    let mut connection = pool.get_before(deadline).await?;
    let seconds = Duration::from_micros(chance.number() % 6_000).as_secs_f64();
    if chance.happens(0.67) {
        connection.query_one("SELECT pg_sleep($1)", &[&seconds]).await?;
        return Ok(());
    }
    let mut transaction = connection.transaction().await?;
    transaction.execute("INSERT INTO work VALUES ($1)", &[&id]).await?;
    let mut part = transaction.transaction().await?;
    part.query_typed(&format!("SELECT pg_sleep({seconds})"), &[]).await?;
    drop(part);
    transaction.query_typed("SELECT 1", &[]).await?;
    transaction.commit().await
}

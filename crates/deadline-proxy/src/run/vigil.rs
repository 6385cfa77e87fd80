//! Looks at the workers, and tells whoever has to know.
//!
//! Covers the look each second, the log, the count, `/readyz`, and the watchdog of the service manager, which hears that
//! all is well for as long as it is. Runs on the main thread: where that is stuck itself, nothing is heard either. Mends
//! nothing: a thread that blocks cannot be ended, only its process can.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::notify::Notify;
use crate::admin::Readiness;
use crate::count;
use crate::worker::{LOOK_EVERY, Life, Watch};

/// Never ends: to be run for as long as the workers do, a drain included. Dropping it loses nothing.
pub(super) async fn vigil(mut watch: Watch, readiness: Readiness, notify: Notify) {
    let (mut look, mut alive) = (every(LOOK_EVERY), notify.alive_every().map(every));
    loop {
        tokio::select! {
            _ = look.tick() => told(watch.look(), &readiness, &notify),
            () = next(alive.as_mut()) => if readiness.ills().is_empty() {
                notify.alive();
            },
        }
    }
}

/// A process that was stopped does not catch up on what it missed: the workers had no time to beat in between.
fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn next(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}

fn told(lives: Vec<Life>, readiness: &Readiness, notify: &Notify) {
    count::stuck_workers(lives.iter().filter(|life| matches!(life, Life::Stuck(_))).count());
    for (worker, life) in readiness.found(lives) {
        let news = match life {
            Life::Moves => format!("worker-{worker} moves again"),
            Life::Stuck(looks) => format!("worker-{worker} has not moved for {:?}", LOOK_EVERY * looks),
            Life::Ended => format!("worker-{worker} has ended before it was told to"),
        };
        notify.status(&news);
        match life {
            // INFO: what was wrong has ended.
            Life::Moves => tracing::info!("{news}"),
            // ERROR: all that the worker carries waits, and may for ever.
            Life::Stuck(_) => tracing::error!("{news}: something blocks it, and all that it carries waits"),
            // ERROR: a worker is gone until the process is started anew.
            Life::Ended => tracing::error!("{news}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notify::tests::Heard;
    use super::*;
    use crate::worker::{Beat, pulse};
    use std::num::NonZeroUsize;
    use tokio::time::sleep;

    const PATIENCE: Duration = Duration::from_secs(4);

    fn one() -> (Watch, Beat) {
        let (watch, mut beats) = pulse(NonZeroUsize::MIN);
        (watch, beats.pop().unwrap())
    }

    fn reasons(readiness: &Readiness) -> Vec<String> {
        readiness.reasons().iter().map(ToString::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_manager_hears_that_all_is_well_for_as_long_as_every_worker_moves() {
        let (readiness, heard, (watch, beat)) = (Readiness::default(), Heard::default(), one());
        let beating = tokio::spawn(beat.beat());
        let _vigil = tokio::spawn(vigil(watch, readiness.clone(), heard.notify(Some(PATIENCE))));
        sleep(PATIENCE * 5 + LOOK_EVERY / 2).await;
        assert_eq!(heard.take(), ["WATCHDOG=1"; 11]);
        assert_eq!(reasons(&readiness), [""; 0]);

        beating.abort();
        sleep(LOOK_EVERY * 2).await;
        assert_eq!(heard.take(), ["STATUS=worker-0 has ended before it was told to"]);
        sleep(PATIENCE * 5).await;
        assert_eq!(heard.take(), [""; 0]);
        assert_eq!(reasons(&readiness), ["worker-0: ended"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_worker_is_told_once_and_withholds_the_watchdog_until_it_moves() {
        let (readiness, heard, (watch, beat)) = (Readiness::default(), Heard::default(), one());
        let _vigil = tokio::spawn(vigil(watch, readiness.clone(), heard.notify(Some(PATIENCE))));
        // Looks at 0 s, 1 s, 2 s, 3 s and 4 s find it still; at 4 s it is stuck.
        sleep(LOOK_EVERY * 7 / 2).await;
        assert_eq!((heard.take(), reasons(&readiness)), (vec!["WATCHDOG=1".to_owned(); 2], vec![]));
        sleep(LOOK_EVERY * 10).await;
        let told = heard.take();
        let (alive, status): (Vec<_>, Vec<_>) = told.into_iter().partition(|line| line == "WATCHDOG=1");
        assert!(alive.len() <= 1, "{alive:?}");
        assert_eq!(status, ["STATUS=worker-0 has not moved for 5s"]);
        assert_eq!(reasons(&readiness), ["worker-0: has not moved for 14s"]);

        let _again = tokio::spawn(beat.beat());
        sleep(PATIENCE).await;
        assert_eq!(reasons(&readiness), [""; 0]);
        let told = heard.take();
        assert_eq!(told.first().map(String::as_str), Some("STATUS=worker-0 moves again"));
        assert!(told[1..].iter().all(|line| line == "WATCHDOG=1") && told.len() > 1, "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_manager_without_a_watchdog_hears_nothing_of_it() {
        let (heard, (watch, beat)) = (Heard::default(), one());
        let _beating = tokio::spawn(beat.beat());
        let _vigil = tokio::spawn(vigil(watch, Readiness::default(), heard.notify(None)));
        sleep(PATIENCE * 5).await;
        assert_eq!(heard.take(), [""; 0]);
    }
}

//! Whether the workers still move.
//!
//! Covers a beat on the runtime of each worker and a look at all of them. A worker whose runtime does not get round to
//! its beat runs nothing else either: something in it blocks the thread, and every connection that it carries waits.
//! Does not end a worker, and decides nothing: who looks is told.
//!
//! Counted in looks and not in time: a process that was stopped, or a machine that slept, has neither looked nor beaten.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// How often a worker beats: at least once between two looks.
const BEAT_EVERY: Duration = Duration::from_millis(500);

/// How often somebody has to look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// In how many looks a worker has to be found still before it is stuck. A machine that is short of cores, or pages, keeps
/// a thread waiting for a second; for five it keeps no thread that can run.
const STUCK_AFTER: u32 = 5;

/// How a worker was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It goes on, as far as can be seen yet.
    Moves,
    /// It has not, for so many looks, [`STUCK_AFTER`] at least.
    Stuck(u32),
    /// Its runtime is gone.
    Ended,
}

/// A beat for each of so many workers, and who looks at them all.
pub(crate) fn pulse(workers: NonZeroUsize) -> (Watch, Vec<Beat>) {
    let beats: Vec<_> = (0..workers.get()).map(|_| Beat(Arc::default())).collect();
    let watched = beats.iter().map(|beat| Watched { signs: Arc::clone(&beat.0), seen: 0, still: 0 });
    (Watch(watched.collect()), beats)
}

/// What a worker shows of itself.
#[derive(Debug, Default)]
struct Signs {
    beats: AtomicU64,
    ended: AtomicBool,
}

/// The beat of one worker. It has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Beat(Arc<Signs>);

impl Beat {
    /// Never ends: to be spawned on the runtime of the worker, and dropped with it.
    pub(crate) async fn beat(self) {
        loop {
            self.0.beats.fetch_add(1, Ordering::Relaxed);
            sleep(BEAT_EVERY).await;
        }
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

/// Looks at all of them.
#[derive(Debug)]
pub(crate) struct Watch(Vec<Watched>);

#[derive(Debug)]
struct Watched {
    signs: Arc<Signs>,
    seen: u64,
    /// How many looks have found no new beat.
    still: u32,
}

impl Watch {
    /// How each worker is, in their order. To be called every [`LOOK_EVERY`].
    pub(crate) fn look(&mut self) -> Vec<Life> {
        self.0.iter_mut().map(Watched::look).collect()
    }
}

impl Watched {
    fn look(&mut self) -> Life {
        if self.signs.ended.load(Ordering::Relaxed) {
            return Life::Ended;
        }
        let beats = self.signs.beats.load(Ordering::Relaxed);
        self.still = if beats == self.seen { self.still.saturating_add(1) } else { 0 };
        self.seen = beats;
        if self.still < STUCK_AFTER { Life::Moves } else { Life::Stuck(self.still) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn two() -> (Watch, Beat, Beat) {
        let (watch, mut beats) = pulse(NonZeroUsize::new(2).unwrap());
        let second = beats.pop().unwrap();
        (watch, beats.pop().unwrap(), second)
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_beats_is_never_stuck() {
        let (mut watch, first, second) = two();
        let beating = [first, second].map(|beat| tokio::spawn(beat.beat()));
        for _ in 0..20 {
            sleep(LOOK_EVERY).await;
            assert_eq!(watch.look(), [Life::Moves, Life::Moves]);
        }
        beating.iter().for_each(|beat| assert!(!beat.is_finished()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_found_still_in_five_looks_is_stuck_until_it_beats_again() {
        let (mut watch, first, still) = two();
        let _beating = tokio::spawn(first.beat());
        for _ in 1..STUCK_AFTER {
            sleep(LOOK_EVERY).await;
            assert_eq!(watch.look(), [Life::Moves, Life::Moves]);
        }
        for looks in STUCK_AFTER..STUCK_AFTER + 3 {
            sleep(LOOK_EVERY).await;
            assert_eq!(watch.look(), [Life::Moves, Life::Stuck(looks)]);
        }
        let _again = tokio::spawn(still.beat());
        sleep(LOOK_EVERY).await;
        assert_eq!(watch.look(), [Life::Moves, Life::Moves]);
    }

    /// Stopped, or asleep with the machine: an hour passes for the clock, and nobody has looked.
    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_looked_makes_no_worker_stuck() {
        let (mut watch, first, second) = two();
        assert_eq!(watch.look(), [Life::Moves, Life::Moves]);
        advance(Duration::from_secs(3_600)).await;
        assert_eq!(watch.look(), [Life::Moves, Life::Moves]);
        drop((first, second));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_runtime_is_gone_has_ended() {
        let (mut watch, first, second) = two();
        let beating = tokio::spawn(first.beat());
        sleep(LOOK_EVERY).await;
        beating.abort();
        let _ = beating.await;
        assert_eq!(watch.look(), [Life::Ended, Life::Moves]);
        drop(second);
        assert_eq!(watch.look(), [Life::Ended, Life::Ended]);
    }
}

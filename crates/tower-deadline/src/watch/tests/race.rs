//! Two threads: one lets go while the other begins to wait.

use super::*;
use std::hint::spin_loop;
use std::thread;

/// How many journeys the one that is watched is a part of. To look at all of them takes a while, between the
/// look at the first one and the registration: a wide door for the other thread.
const PARTS: usize = 200;

const ROUNDS: usize = 30;

/// Spins: a thread that sleeps comes too late.
fn wait_for(round: usize, reached: &AtomicUsize) {
    while reached.load(Ordering::Acquire) < round {
        spin_loop();
    }
}

fn part() -> Journey {
    let whole = Journey::new(Arc::new(Policy::new()), true);
    (0..PARTS).fold(whole, |journey, _| journey.part())
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_looks_no_more_is_noticed_also_between_the_look_and_the_registration() {
    let deadline = Deadline::after(now(), 300 * MS);
    let journeys: Vec<_> = std::iter::repeat_with(part).take(ROUNDS).collect();
    let (polling, let_go) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut lost = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (round, journey) in (1..).zip(&journeys) {
                wait_for(round, &polling);
                // As long as a poll takes up to its look, which goes through all of them too; or a little longer.
                for _ in 0..=round % 4 {
                    let _ = journey.is_unwatched();
                }
                journey.unwatch();
                let_go.store(round, Ordering::Release);
            }
        });
        for (round, journey) in (1..).zip(&journeys) {
            journey.enforce(deadline);
            let (mut watch, count) = (Watch::new(deadline, Some(journey.clone())), Arc::default());
            polling.store(round, Ordering::Release);
            let expired = poll(&mut watch, &count);
            wait_for(round, &let_go);
            let woken = count.0.load(Ordering::Relaxed) == 1;
            if expired || !(woken || watch.is_armed()) {
                lost.push(round);
            }
        }
    });
    assert!(lost.is_empty(), "neither woken nor armed: {lost:?}");
}

use std::cell::Cell;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use http_deadline::{Ambient, Deadline, Journey, Mode, Policy, Stage, current, enter};
use tokio::time::sleep;

use super::*;
use crate::timer::now;
use crate::{Interrupted, Outcome, Stopped};

const MS: Duration = Duration::from_millis(1);

#[derive(Debug)]
enum Failed {
    Late(Interrupted),
    /// The connection was lost.
    Lost(usize),
    /// The statement is wrong.
    Wrong,
}

impl From<Interrupted> for Failed {
    fn from(late: Interrupted) -> Self {
        Self::Late(late)
    }
}

impl Transient for Failed {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// Asserts that a deadline stopped it, and tells where and by whose word.
#[track_caller]
fn late<T: std::fmt::Debug>(done: Result<T, Failed>) -> (Stage, String, Stopped, Outcome) {
    let Err(Failed::Late(late)) = done else { panic!("{done:?}") };
    (late.exceeded().stage(), late.exceeded().origin().to_string(), late.stopped(), late.outcome())
}

fn policy(timeout: u32) -> Policy {
    Policy::new().named("tier").default_timeout(timeout * MS)
}

/// The deadline of a request that has this much left.
fn left(left: u32) -> Deadline {
    Deadline::after(now(), left * MS)
}

/// Takes this long.
async fn takes(time: u32) -> Result<u32, Failed> {
    sleep(time * MS).await;
    Ok(time)
}

/// How much time the ambient leaves.
fn budget() -> Option<Duration> {
    current().map(|deadline| deadline.remaining(now()))
}

// R11
#[tokio::test(start_paused = true)]
async fn a_strict_tier_ends_at_its_timeout_and_delivers_what_is_ready_then() {
    let tier = Strict::new(policy(300));
    for time in [299, 300] {
        assert_eq!(tier.run(async || takes(time).await).await.unwrap(), time);
    }
    let begun = now();
    let stopped = late(tier.run(async || takes(301).await).await);
    assert_eq!(stopped, (Stage::Database, "policy tier".into(), Stopped::Pending, Outcome::Unknown));
    assert_eq!(now() - begun, 300 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_sooner_deadline_of_the_request_binds() {
    for (request, ends, origin) in [(299, 299, "code"), (301, 300, "policy")] {
        let (_entered, begun) = (enter(left(request)), now());
        let (_, told, ..) = late(Strict::new(policy(300)).run(async || takes(900).await).await);
        assert!(told.starts_with(origin), "{told}");
        assert_eq!(now() - begun, ends * MS);
    }
}

// R21
#[tokio::test(start_paused = true)]
async fn the_reserve_is_kept_back_and_the_work_finds_its_deadline() {
    let tier = Strict::new(policy(300).reserve(50 * MS));
    for (request, left_to_work) in [(None, 250), (Some(900), 250), (Some(200), 150)] {
        let _entered = request.map(|request| enter(left(request)));
        let (before, begun) = (current(), now());
        let seen = tier.run(async || {
            sleep(MS).await;
            assert_eq!(budget(), Some((left_to_work - 1) * MS), "also at a later poll");
            takes(900).await
        });
        late(seen.await);
        assert_eq!((now() - begun, current()), (left_to_work * MS, before));
    }
}

// R16
#[tokio::test(start_paused = true)]
async fn without_room_the_work_is_not_begun() {
    for (request, least, is_begun) in [(1, 0, true), (0, 0, false), (50, 50, true), (49, 50, false)] {
        let (_entered, begun) = (enter(left(request)), Cell::new(false));
        let tier = Strict::new(policy(300).min(least * MS));
        let done = tier.run(async || {
            begun.set(true);
            Ok::<_, Failed>(())
        });
        let done = done.await;
        assert_eq!((done.is_ok(), begun.get()), (is_begun, is_begun), "{request} ms left of {least} ms");
        if !is_begun {
            let (stage, _, stopped, outcome) = late(done);
            assert_eq!((stage, stopped, outcome), (Stage::Unsent, Stopped::NotSent, Outcome::NotStarted));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_deadline_it_takes_as_long_as_it_takes() {
    let unbounded = Strict::new(Policy::new());
    assert_eq!(unbounded.run(async || takes(86_400_000).await).await.unwrap(), 86_400_000);
    let observed = Strict::new(policy(300).mode(Mode::Observe));
    assert_eq!(observed.run(async || takes(301).await).await.unwrap(), 301);
    let capped = Strict::new(Policy::new().max(300 * MS));
    late(capped.run(async || takes(301).await).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_only_observed_stops_nothing() {
    let journey = Journey::new(Arc::new(Policy::new().mode(Mode::Observe)), false);
    let mut ambient = Ambient::new(Some(left(100)), Some(journey));
    let tier = Strict::new(policy(300));
    let mut work = Box::pin(tier.run(async || takes(200).await));
    let done = std::future::poll_fn(|cx| ambient.run(|| work.as_mut().poll(cx)));
    assert_eq!(done.await.unwrap(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_stage_that_the_work_is_in_is_told() {
    let journey = Journey::new(Arc::new(Policy::new()), false);
    let mut ambient = Ambient::new(None, Some(journey.clone()));
    let tier = Strict::new(policy(300));
    let mut work = Box::pin(tier.run(async || {
        let _open = journey.enter(Stage::Pool);
        pending::<Result<(), Failed>>().await
    }));
    let done = std::future::poll_fn(|cx| ambient.run(|| work.as_mut().poll(cx)));
    assert_eq!(late(done.await).0, Stage::Pool);
}

// R15
#[tokio::test(start_paused = true)]
async fn what_is_dropped_drops_the_work() {
    struct Tell<'a>(&'a Cell<bool>);
    impl Drop for Tell<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = Cell::new(false);
    let tier = Strict::new(policy(300));
    let work = tier.run(async || {
        let _tell = Tell(&dropped);
        pending::<Result<(), Failed>>().await
    });
    assert!(tokio::time::timeout(MS, work).await.is_err());
    assert!(dropped.get());
}

/// What a soft tier answers whose attempts come to this, one after the other, and how many there were.
async fn read(policy: Policy, attempts: &[fn() -> Result<u32, Failed>]) -> (Result<u32, Failed>, usize) {
    let tier = Soft::new(policy);
    let begun = Cell::new(0);
    let read = tier.run(async || {
        let attempt = attempts[begun.replace(begun.get() + 1)];
        sleep(100 * MS).await;
        attempt()
    });
    let answer = read.or_else(async |why| if let Failed::Lost(nth) = why { Ok(nth as u32) } else { Err(why) }).await;
    (answer, begun.get())
}

#[tokio::test(start_paused = true)]
async fn a_read_that_may_succeed_is_tried_again_once() {
    let (answer, attempts) = read(policy(900), &[|| Ok(7)]).await;
    assert_eq!((answer.unwrap(), attempts), (7, 1));
    let (answer, attempts) = read(policy(900), &[|| Err(Failed::Lost(1)), || Ok(8)]).await;
    assert_eq!((answer.unwrap(), attempts), (8, 2));
    let (answer, attempts) = read(policy(900), &[|| Err(Failed::Lost(1)), || Err(Failed::Lost(2))]).await;
    assert_eq!((answer.unwrap(), attempts), (2, 2), "the fallback is told of the last");
    let (answer, attempts) = read(policy(900), &[|| Err(Failed::Wrong), || Ok(8)]).await;
    assert!(matches!(answer, Err(Failed::Wrong)) && attempts == 1, "{answer:?}");
}

// R22
#[tokio::test(start_paused = true)]
async fn a_read_is_tried_again_only_where_that_fits() {
    let lost: [fn() -> Result<u32, Failed>; 2] = [|| Err(Failed::Lost(1)), || Err(Failed::Lost(2))];
    // The first attempt takes 100 ms.
    for (timeout, least, attempts) in [(201, 0, 2), (200, 0, 2), (100, 0, 1), (230, 130, 2), (229, 130, 1)] {
        let (answer, begun) = read(policy(timeout).min(least * MS), &lost).await;
        assert_eq!(begun, attempts, "{timeout} ms, at least {least} ms");
        assert_eq!(answer.unwrap() as usize, attempts, "the fallback is told what failed, not that there was no room");
    }
    let (answer, attempts) = read(policy(101), &lost).await;
    assert_eq!((late(answer).0, attempts), (Stage::Database, 2), "a millisecond is enough to begin");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_not_tried_again() {
    let (tier, begun) = (Soft::new(policy(300)), Cell::new(0));
    let read = tier.run(async || {
        begun.set(begun.get() + 1);
        takes(301).await
    });
    let (stage, origin, ..) = late(read.or_else(async |why| Err(why)).await);
    assert_eq!((stage, origin.as_str(), begun.get()), (Stage::Database, "policy tier", 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_is_the_fallbacks_up_to_the_deadline_of_the_request() {
    let tier = Soft::new(policy(2_000).reserve(50 * MS));
    for (time, is_in_time) in [(49, true), (50, true), (51, false)] {
        let (_entered, begun) = (enter(left(300)), now());
        let silent = tier.run(async || pending::<Result<u32, Failed>>().await);
        let answer = silent.or_else(async |why| {
            assert_eq!(late(Err::<(), _>(why)).0, Stage::Database);
            assert_eq!((now() - begun, budget()), (250 * MS, Some(50 * MS)));
            takes(time).await
        });
        let answer = answer.await;
        assert_eq!(answer.is_ok(), is_in_time, "{answer:?}");
        assert_eq!(now() - begun, (250 + time.min(50)) * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fallback_has_more_than_the_time_of_its_tier_where_the_request_has() {
    let tier = Soft::new(policy(100).reserve(50 * MS));
    let _entered = enter(left(900));
    let silent = tier.run(async || pending::<Result<u32, Failed>>().await);
    assert_eq!(silent.or_else(async |_| takes(850).await).await.unwrap(), 850);
}

// R16
#[tokio::test(start_paused = true)]
async fn after_the_deadline_of_the_request_no_fallback_begins() {
    let tier = Soft::new(policy(2_000));
    let _entered = enter(left(300));
    let silent = tier.run(async || pending::<Result<u32, Failed>>().await);
    let (stage, ..) = late(silent.or_else(async |_| panic!("nobody waits for it")).await);
    assert_eq!(stage, Stage::Database);
}

#[tokio::test(start_paused = true)]
async fn without_room_for_the_read_the_fallback_is_asked_at_once() {
    let tier = Soft::new(policy(2_000).reserve(50 * MS));
    let _entered = enter(left(50));
    let read = tier.run(async || panic!("there is no time for it"));
    let answer = read.or_else(async |why: Failed| {
        assert_eq!(late(Err::<(), _>(why)).0, Stage::Unsent);
        takes(50).await
    });
    assert_eq!(answer.await.unwrap(), 50);
}

/// A handler's future moves between threads.
#[test]
fn the_futures_can_be_sent() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let (strict, soft) = (Strict::new(policy(300)), Soft::new(policy(300)));
    let (name, pool) = (String::from("kettle"), Arc::new(7));
    let query = async |name: &str| Ok::<_, Failed>(name.len() + *pool);
    drop(sent(strict.run(async || query(&name).await)));
    drop(sent(soft.run(async || query(&name).await).or_else(async |_| query("none").await)));
    drop(sent(async {
        let found = soft.run(|| ready(Ok::<_, Failed>(name.len())));
        found.or_else(async |why| Err(why)).await
    }));
}

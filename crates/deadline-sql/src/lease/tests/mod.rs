use std::time::Duration;

use http_deadline::{Deadline, Journey, Mode, Policy, Stage, enter};

use super::*;
use crate::adapter::Delivery;
use crate::timer::now;
use crate::{Settings, Verdict};

#[cfg(feature = "metrics")]
mod counts;
mod ends;
mod fake;
mod ladder;
#[cfg(feature = "diesel-async")]
mod leaves;
mod opens;

use self::fake::{Event, Failed, Fake, Manners};

pub(super) const MS: Duration = Duration::from_millis(1);

/// An engine on a database of these manners, with a pool of one.
fn engine(manners: Manners) -> (Fake, Arc<Engine<Fake>>) {
    let fake = Fake::new(1, manners);
    (fake.clone(), Engine::new(fake, Settings::new()))
}

fn obedient() -> Manners {
    Manners { delivery: Some(Delivery::Acted), ..Manners::default() }
}

fn after(millis: u32) -> Deadline {
    Deadline::after(now(), millis * MS)
}

/// One statement that takes so long.
async fn statement(lease: &mut Lease<Fake>, takes: Duration) -> Result<(), Error<Failed>> {
    let running = lease.start().await?;
    let fake = running.lease().engine().adapter().clone();
    let raced = running.race(fake.run(takes)).await;
    running.end(raced)
}

/// What an error says of a deadline.
fn said(error: Error<Failed>) -> Option<(Stage, Stopped, Outcome)> {
    error.interrupted().map(|said| (said.exceeded().stage(), said.stopped(), said.outcome()))
}

// R16, R40
#[tokio::test(start_paused = true)]
async fn with_nothing_left_nothing_is_sent() {
    for (left, sent) in [(0, false), (1, false), (2, true)] {
        let (fake, engine) = engine(obedient());
        match Lease::acquire(&engine, Some(after(left))).await {
            Ok(mut lease) => assert!(statement(&mut lease, Duration::ZERO).await.is_ok() && sent, "{left} ms"),
            Err(error) => {
                assert_eq!(said(error), Some((Stage::Unsent, Stopped::NotSent, Outcome::NotStarted)));
                assert!(!sent && fake.events().is_empty(), "{left} ms");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_is_waited_for_to_the_deadline() {
    let (_, engine) = engine(obedient());
    let first = Lease::acquire(&engine, None).await.unwrap();
    let begun = now();
    let error = Lease::acquire(&engine, Some(after(50))).await.unwrap_err();
    assert_eq!(said(error), Some((Stage::Pool, Stopped::NotSent, Outcome::NotStarted)));
    assert_eq!(now() - begun, 50 * MS);
    drop(first);
    assert!(Lease::acquire(&engine, Some(after(50))).await.is_ok());
}

// R21
#[tokio::test(start_paused = true)]
async fn the_sooner_one_of_the_given_and_the_ambient_deadline_holds() {
    let (_, engine) = engine(obedient());
    for (given, ambient, expected) in
        [(None, None, None), (Some(90), None, Some(89)), (None, Some(40), Some(39)), (Some(90), Some(40), Some(39))]
    {
        let _ambient = ambient.map(|ambient| enter(after(ambient)));
        let limit = engine.limit(given.map(after)).unwrap();
        assert_eq!(limit.millis().map(u32::from), expected, "{given:?} {ambient:?}");
    }
}

// Design: observe never withholds.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_only_observed_stops_nothing() {
    let (_, engine) = engine(obedient());
    for (mode, expected) in [(Mode::Enforce, Some(20)), (Mode::Observe, None)] {
        let policy = Policy::new().mode(mode).reserve(20 * MS);
        let journey = Journey::new(Arc::new(policy), true);
        let limit = Ambient::new(Some(after(40)), Some(journey)).run(|| engine.limit(None)).unwrap();
        assert_eq!(limit.millis().map(u32::from), expected, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_pool_gives_nothing_out_and_is_drained_when_all_are_back() {
    let (fake, engine) = engine(obedient());
    let lease = Lease::acquire(&engine, None).await.unwrap();
    assert_eq!(engine.drain(10 * MS).await, Err(Undrained { connections: 1 }));
    assert!(matches!(Lease::acquire(&engine, None).await, Err(Error::PoolClosed)));
    drop(lease);
    assert_eq!(engine.drain(10 * MS).await, Ok(()));
    assert_eq!(fake.events(), [(10, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn the_drain_waits_for_what_is_being_stopped() {
    let (fake, engine) = engine(Manners { lost: 1, ..obedient() });
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    assert_eq!(timer::within(5 * MS, statement(&mut lease, 900 * MS)).await.map(drop), None);
    drop(lease);
    assert_eq!(engine.drain(200 * MS).await, Ok(()));
    assert_eq!(fake.events().last(), Some(&(55, Event::Released)));
}

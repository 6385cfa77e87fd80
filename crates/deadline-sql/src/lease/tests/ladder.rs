//! How a statement that nobody waits for is stopped (R41).

use super::*;

/// Runs a statement of 5 s under a deadline of 50 ms, drops its connection after `held`, and tells what happened.
async fn stopped(manners: Manners, held: u32) -> Vec<(u128, Event)> {
    let (fake, engine) = engine(manners);
    let mut lease = Lease::acquire(&engine, Some(after(50))).await.unwrap();
    let _ = timer::within(held * MS, statement(&mut lease, 5_000 * MS)).await;
    drop(lease);
    assert_eq!(engine.drain(10_000 * MS).await, Ok(()));
    fake.events()
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_server_gets_a_moment_and_then_a_cancel() {
    assert_eq!(stopped(obedient(), 60).await, [(70, Event::Cancelled), (70, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_by_itself_is_not_cancelled() {
    let (fake, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, Some(after(50))).await.unwrap();
    assert!(statement(&mut lease, 69 * MS).await.is_err());
    drop(lease);
    assert_eq!(engine.drain(1_000 * MS).await, Ok(()));
    assert_eq!(fake.events(), [(69, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn who_goes_early_has_it_cancelled_at_once() {
    for held in [0, 1, 30, 47] {
        let at = u128::from(held);
        assert_eq!(stopped(obedient(), held).await, [(at, Event::Cancelled), (at, Event::Released)], "{held} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_grace_nothing_is_read_before_the_cancel() {
    for (held, first) in [(30, (30, Event::Cancelled)), (60, (50, Event::Read))] {
        let talkative = Manners { talkative: true, ..obedient() };
        assert_eq!(stopped(talkative, held).await.first(), Some(&first), "{held} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_at_the_deadline_by_others_is_no_early_leaver() {
    // The server was told 49 ms: what is late by a millisecond is on its way.
    for held in [48, 49] {
        let at = u128::from(held) + 20;
        assert_eq!(stopped(obedient(), held).await, [(at, Event::Cancelled), (at, Event::Released)], "{held} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_no_timer_gets_no_grace() {
    let manners = Manners { untimed: true, ..obedient() };
    assert_eq!(stopped(manners, 60).await, [(50, Event::Cancelled), (50, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_is_lost_is_sent_again_ever_more_patiently() {
    let manners = Manners { lost: 2, ..obedient() };
    let cancels = [(70, Event::Cancelled), (120, Event::Cancelled), (220, Event::Cancelled), (220, Event::Released)];
    assert_eq!(stopped(manners, 60).await, cancels);
    let all = Manners { lost: 9, ..obedient() };
    let given_up = stopped(all, 60).await;
    assert_eq!(given_up.len(), 6);
    assert_eq!(given_up[5], (70 + 50 + 100 + 200 + 400 + 800, Event::Discarded));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_may_still_come_costs_the_connection() {
    let manners = Manners { delivery: Some(Delivery::Unknown), ..Manners::default() };
    assert_eq!(stopped(manners, 60).await, [(70, Event::Cancelled), (70, Event::Discarded)]);
    let unheard = Manners { delivery: None, ..Manners::default() };
    assert_eq!(stopped(unheard, 60).await, [(70, Event::Cancelled), (1070, Event::Discarded)]);
}

#[tokio::test(start_paused = true)]
async fn a_place_among_the_cancels_is_waited_for_as_long_as_a_cancel_may_take() {
    let (fake, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    let all = engine.cancels().acquire_many(4).await.unwrap();
    assert_eq!(timer::within(5 * MS, statement(&mut lease, 60_000 * MS)).await.map(drop), None);
    drop(lease);
    assert_eq!(engine.drain(30_000 * MS).await, Ok(()));
    // Five times a second, and each time the patience that comes after it.
    assert_eq!(fake.events(), [(5 + 5_000 + 50 + 100 + 200 + 400 + 800, Event::Discarded)]);
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_did_not_leave_is_tried_again() {
    let manners = Manners { delivery: Some(Delivery::NotSent), ..Manners::default() };
    let events = stopped(manners, 60).await;
    assert_eq!(events.iter().filter(|(_, event)| *event == Event::Cancelled).count(), 5);
    assert_eq!(events.last(), Some(&(1620, Event::Discarded)));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_cannot_be_told_is_left_by_closing() {
    let manners = Manners { deaf: true, ..Manners::default() };
    assert_eq!(stopped(manners, 60).await, [(70, Event::Discarded)]);
}

#[test]
fn without_a_runtime_a_connection_is_closed() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let first = runtime();
    let (fake, mut lease) = first.block_on(async {
        let (fake, engine) = engine(obedient());
        (fake, Lease::acquire(&engine, None).await.unwrap())
    });
    let busy = runtime().block_on(async { timer::within(MS, statement(&mut lease, 900 * MS)).await });
    assert!(busy.is_none());
    drop(first);
    drop(lease);
    assert_eq!(fake.events().last().map(|(_, event)| event), Some(&Event::Discarded));
}

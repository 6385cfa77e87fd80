//! What becomes of one statement.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_answer_at_the_deadline_is_delivered_and_none_after_it() {
    for (takes, delivered) in [(49, true), (50, true), (51, false)] {
        let (_, engine) = engine(obedient());
        let mut lease = Lease::acquire(&engine, Some(after(50))).await.unwrap();
        let begun = now();
        let ended = statement(&mut lease, takes * MS).await;
        assert_eq!(ended.is_ok(), delivered, "{takes} ms");
        assert!(now() - begun <= 50 * MS);
        if let Err(error) = ended {
            assert_eq!(said(error), Some((Stage::Database, Stopped::Pending, Outcome::Unknown)));
        }
    }
}

async fn failing(verdict: Verdict, at: u32) -> (Error<Failed>, Vec<(u128, Event)>) {
    let (fake, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, Some(after(50))).await.unwrap();
    let running = lease.start().await.unwrap();
    tokio::time::sleep(at * MS).await;
    let error = running.end::<()>(Some(Err(Failed(verdict)))).unwrap_err();
    drop(lease);
    assert_eq!(engine.drain(MS).await, Ok(()));
    (error, fake.events())
}

#[tokio::test(start_paused = true)]
async fn a_cancel_before_our_time_was_somebody_elses() {
    // The server was told 49 ms.
    for (at, ours) in [(47, false), (48, false), (49, true), (50, true)] {
        let (error, events) = failing(Verdict::Cancelled, at).await;
        assert_eq!(matches!(error, Error::Database(Failed(Verdict::Cancelled))), !ours, "{at} ms");
        let expected = ours.then_some((Stage::Database, Stopped::ServerTimer, Outcome::RolledBack));
        assert_eq!(said(error), expected, "{at} ms");
        assert_eq!(events, [(at.into(), Event::Released)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_is_not_given_back() {
    let (error, events) = failing(Verdict::Closed, 1).await;
    assert!(matches!(error, Error::Database(Failed(Verdict::Closed))));
    assert_eq!(events, [(1, Event::Discarded)]);
    for verdict in [Verdict::Other, Verdict::Transient, Verdict::Aborted] {
        assert_eq!(failing(verdict, 1).await.1, [(1, Event::Released)], "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_says_by_itself_leaves_nothing_running() {
    let (fake, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, Some(after(500))).await.unwrap();
    let running = lease.start().await.unwrap();
    assert_eq!(timer::within(MS, fake.run(400 * MS)).await, None);
    let error = running.end::<()>(Some(Err(Failed(Verdict::Other)))).unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    drop(lease);
    assert_eq!(engine.drain(1_000 * MS).await, Ok(()));
    assert_eq!(fake.events(), [(21, Event::Cancelled), (21, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn who_is_still_in_line_when_the_pool_is_closed_gets_nothing() {
    let (fake, engine) = engine(obedient());
    let first = Lease::acquire(&engine, None).await.unwrap();
    let mut second = Box::pin(Lease::acquire(&engine, None));
    assert!(timer::within(MS, &mut second).await.is_none());
    assert!(engine.drain(Duration::ZERO).await.is_err());
    drop(first);
    assert!(matches!(second.await, Err(Error::PoolClosed)));
    assert_eq!(fake.events(), [(1, Event::Released), (1, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_runs_nothing_more() {
    let (_, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    let running = lease.start().await.unwrap();
    assert!(running.end::<()>(Some(Err(Failed(Verdict::Closed)))).is_err());
    assert!(matches!(statement(&mut lease, MS).await, Err(Error::ConnectionLost)));
    drop(lease);
    assert!(Lease::acquire(&engine, Some(after(5))).await.is_ok(), "there is room for another");
}

// R15
#[tokio::test(start_paused = true)]
async fn the_next_statement_waits_until_the_one_before_has_been_stopped() {
    let (fake, engine) = engine(Manners { lost: 1, ..obedient() });
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    assert_eq!(timer::within(5 * MS, statement(&mut lease, 900 * MS)).await.map(drop), None);
    assert!(statement(&mut lease, 7 * MS).await.is_ok());
    drop(lease);
    let expected = [(5, Event::Cancelled), (55, Event::Cancelled), (62, Event::Released)];
    assert_eq!(fake.events(), expected);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_that_waits_to_the_deadline_at_most() {
    let (_, engine) = engine(Manners { lost: 9, ..obedient() });
    let mut lease = Lease::acquire(&engine, Some(after(60))).await.unwrap();
    assert_eq!(timer::within(5 * MS, statement(&mut lease, 900 * MS)).await.map(drop), None);
    let error = statement(&mut lease, MS).await.unwrap_err();
    assert_eq!(said(error), Some((Stage::Database, Stopped::NotSent, Outcome::NotStarted)));
}

//! Transactions that nobody ended.

use super::*;
use crate::adapter::Open;

async fn begin(lease: &mut Lease<Fake>, takes: Duration) -> Result<(), Error<Failed>> {
    let running = lease.start().await?.begins();
    let fake = running.lease().engine().adapter().clone();
    let raced = running.race(fake.run(takes)).await;
    running.end(raced)
}

async fn leased() -> (Fake, Lease<Fake>) {
    let (fake, engine) = engine(obedient());
    (fake, Lease::acquire(&engine, Some(after(50))).await.unwrap())
}

async fn events(fake: &Fake, lease: Lease<Fake>) -> Vec<(u128, Event)> {
    let engine = Arc::clone(lease.engine());
    drop(lease);
    assert_eq!(engine.drain(10_000 * MS).await, Ok(()));
    fake.events()
}

// R41: locks are free when the request ends, not when somebody asks for the connection.
#[tokio::test(start_paused = true)]
async fn what_is_left_open_is_ended_at_once() {
    let (fake, mut lease) = leased().await;
    begin(&mut lease, MS).await.unwrap();
    assert_eq!(lease.depth(), 1);
    lease.abandon();
    assert_eq!(lease.depth(), 0);
    tokio::time::sleep(MS).await;
    assert_eq!(fake.events(), [(1, Event::RolledBack(Open::Transaction))], "while the lease is still held");
    assert!(statement(&mut lease, MS).await.is_ok());
    assert_eq!(events(&fake, lease).await.last(), Some(&(3, Event::Released)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_with_all_open_ends_the_outermost() {
    let (fake, mut lease) = leased().await;
    begin(&mut lease, MS).await.unwrap();
    begin(&mut lease, MS).await.unwrap();
    assert_eq!(lease.innermost(), Some(Open::Savepoint(1)));
    assert_eq!(events(&fake, lease).await, [(2, Event::RolledBack(Open::Transaction)), (2, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn a_statement_is_stopped_before_its_transaction_is_ended() {
    let (fake, mut lease) = leased().await;
    begin(&mut lease, MS).await.unwrap();
    assert_eq!(timer::within(4 * MS, statement(&mut lease, 900 * MS)).await.map(drop), None);
    let expected = [(5, Event::Cancelled), (5, Event::RolledBack(Open::Transaction)), (5, Event::Released)];
    assert_eq!(events(&fake, lease).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_begin_that_nobody_waited_for_leaves_nothing_open() {
    let (fake, mut lease) = leased().await;
    assert_eq!(timer::within(4 * MS, begin(&mut lease, 900 * MS)).await.map(drop), None);
    assert_eq!(lease.depth(), 0);
    let expected = [(4, Event::Cancelled), (4, Event::RolledBack(Open::Transaction)), (4, Event::Released)];
    assert_eq!(events(&fake, lease).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_begin_that_failed_leaves_nothing_open() {
    let (fake, mut lease) = leased().await;
    let running = lease.start().await.unwrap().begins();
    assert!(running.end::<()>(Some(Err(Failed(Verdict::Other)))).is_err());
    assert_eq!(lease.depth(), 0);
    assert_eq!(events(&fake, lease).await, [(0, Event::RolledBack(Open::Transaction)), (0, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn a_savepoint_is_ended_within_its_transaction() {
    let (fake, mut lease) = leased().await;
    begin(&mut lease, MS).await.unwrap();
    begin(&mut lease, MS).await.unwrap();
    lease.abandon();
    assert_eq!(lease.depth(), 1);
    assert!(statement(&mut lease, MS).await.is_ok());
    assert_eq!(fake.events(), [(2, Event::RolledBack(Open::Savepoint(1)))]);
    lease.closed();
    assert_eq!(events(&fake, lease).await.last(), Some(&(3, Event::Released)));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_costs_the_connection() {
    let (fake, engine) = engine(Manners { stuck: true, ..obedient() });
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    begin(&mut lease, MS).await.unwrap();
    assert_eq!(events(&fake, lease).await, [(501, Event::Discarded)]);
}

#[tokio::test(start_paused = true)]
async fn who_may_have_begun_one_by_hand_is_cleaned_up_after() {
    let (fake, mut lease) = leased().await;
    statement(&mut lease, MS).await.unwrap();
    lease.suspect();
    assert_eq!(events(&fake, lease).await, [(1, Event::RolledBack(Open::Transaction)), (1, Event::Released)]);
    let (fake, mut lease) = leased().await;
    lease.clean();
    assert_eq!(events(&fake, lease).await, [(0, Event::RolledBack(Open::Transaction)), (0, Event::Released)]);
}

#[cfg(any(feature = "postgres", feature = "sqlx"))]
#[tokio::test(start_paused = true)]
async fn what_was_begun_within_and_forgotten_ends_with_what_is_around_it() {
    for (depth, open) in [(1, Open::Transaction), (2, Open::Savepoint(1)), (9, Open::Savepoint(2))] {
        let (fake, mut lease) = leased().await;
        for _ in 0..3 {
            begin(&mut lease, MS).await.unwrap();
        }
        lease.enclose_within(depth);
        lease.abandon();
        assert_eq!(lease.depth(), depth.min(3) - 1);
        tokio::time::sleep(MS).await;
        assert_eq!(fake.events(), [(3, Event::RolledBack(open))]);
    }
}

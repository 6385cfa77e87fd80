//! What is left to its end, or ended with what is around it.

use super::*;

/// A statement of which somebody has what they wanted after a millisecond.
async fn left(millis: u32, takes: u32, manners: Manners) -> Vec<(u128, Event)> {
    let (fake, engine) = engine(manners);
    let mut lease = Lease::acquire(&engine, Some(after(millis))).await.unwrap();
    let running = lease.start().await.unwrap();
    assert_eq!(timer::within(MS, fake.run(takes * MS)).await, None);
    running.leave();
    drop(lease);
    assert_eq!(engine.drain(Duration::from_secs(60)).await, Ok(()));
    fake.events()
}

#[tokio::test(start_paused = true)]
async fn what_is_left_ends_by_itself_until_its_deadline_and_its_grace() {
    for takes in [2, 49, 50, 69] {
        assert_eq!(left(50, takes, obedient()).await, [(takes.into(), Event::Released)], "{takes} ms");
    }
    assert_eq!(left(50, 71, obedient()).await, [(70, Event::Cancelled), (70, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_it_takes_as_long_as_it_takes() {
    let (fake, engine) = engine(obedient());
    let mut lease = Lease::acquire(&engine, None).await.unwrap();
    let running = lease.start().await.unwrap();
    assert_eq!(timer::within(MS, fake.run(9_000 * MS)).await, None);
    running.leave();
    // The next one waits for it.
    assert!(statement(&mut lease, MS).await.is_ok());
    drop(lease);
    assert_eq!(fake.events(), [(9_001, Event::Released)]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_transaction_leaves_those_within_it() {
    for (depth, open) in [(0, Some(Open::Transaction)), (1, Some(Open::Savepoint(1))), (3, None)] {
        let (fake, engine) = engine(obedient());
        let mut lease = Lease::acquire(&engine, None).await.unwrap();
        for _ in 0..3 {
            lease.opened();
        }
        lease.abandon_within(depth);
        lease.rested().await;
        assert_eq!(lease.depth(), depth);
        assert!(lease.connection().is_some(), "it is at rest");
        let expected: Vec<_> = open.into_iter().map(|open| (0, Event::RolledBack(open))).collect();
        assert_eq!(fake.events(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_transaction_is_waited_for_to_the_deadline() {
    let (fake, engine) = engine(Manners { stuck: true, ..obedient() });
    let mut lease = Lease::acquire(&engine, Some(after(50))).await.unwrap();
    lease.opened();
    lease.abandon_within(0);
    let begun = now();
    lease.rested().await;
    assert_eq!((now() - begun, fake.events()), (50 * MS, Vec::new()));
}

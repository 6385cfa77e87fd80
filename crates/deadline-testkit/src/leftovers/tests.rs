use super::*;
use std::future::{pending, poll_fn};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::Notify;
use tokio::time::sleep;

const LONG: Duration = Duration::from_secs(1);

/// Polls once, and is done.
async fn once<F: Future + Unpin>(mut future: F) -> F {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx).is_ready())).await;
    future
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_call_that_waited_for_all_of_them() {
    let leftovers = Leftovers::watch();
    let call = async {
        sleep(LONG).await;
        let (near, far) = duplex(8);
        let (mut near, mut far) = (leftovers.connection(near), leftovers.connection(far));
        let task = tokio::spawn(async move { near.write_all(b"hello").await });
        let mut read = String::new();
        far.read_to_string(&mut read).await.unwrap();
        task.await.unwrap().unwrap();
        read
    };
    assert_eq!(leftovers.run(call).await, "hello");
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_by_itself_is_given_time_and_one_from_before_does_not_count() {
    let before = tokio::spawn(pending::<()>());
    let leftovers = Leftovers::watch();
    tokio::spawn(yield_now());
    leftovers.assert_none().await;
    before.abort();
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "tasks: 2, timers or others that wait: 0, connections: 0")]
async fn a_task_that_is_left_is_found() {
    let leftovers = Leftovers::watch();
    for _ in 0..2 {
        tokio::spawn(pending::<()>());
    }
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "tasks: 0, timers or others that wait: 1, connections: 0")]
async fn a_timer_that_is_left_is_found() {
    let leftovers = Leftovers::watch();
    let _sleep = leftovers.run(once(Box::pin(sleep(LONG)))).await;
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "timers or others that wait: 1")]
async fn who_waits_to_be_notified_is_found() {
    let (leftovers, notify) = (Leftovers::watch(), Notify::new());
    let _notified = leftovers.run(once(Box::pin(notify.notified()))).await;
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "timers or others that wait: 2")]
async fn a_call_that_is_held_and_not_done_is_found_with_its_timer() {
    let leftovers = Leftovers::watch();
    let _call = once(leftovers.run(sleep(LONG))).await;
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_fired_or_was_dropped_is_not_left() {
    let leftovers = Leftovers::watch();
    let fired = leftovers.run(once(Box::pin(sleep(LONG)))).await;
    let dropped = leftovers.run(once(Box::pin(sleep(LONG)))).await;
    assert_eq!(leftovers.left().waiting, 2);
    tokio::time::advance(LONG).await;
    assert_eq!(leftovers.left().waiting, 0);
    drop((fired, dropped));
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "tasks: 0, timers or others that wait: 0, connections: 1")]
async fn a_connection_that_is_left_is_found() {
    let leftovers = Leftovers::watch();
    let (near, far) = duplex(8);
    let (_near, _) = (leftovers.connection(near), leftovers.connection(far));
    leftovers.assert_none().await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "leftovers/tests.rs:")]
async fn the_line_that_asked_is_told() {
    let leftovers = Leftovers::watch();
    tokio::spawn(pending::<()>());
    leftovers.assert_none().await;
}

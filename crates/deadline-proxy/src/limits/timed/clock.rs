//! Which of a connection's limits runs out first, and when.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What a client has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The time to ask for something.
    Silence,
    /// The time for a head that has begun.
    Head,
    /// The time to take what is written.
    Write,
}

/// When what the connection waits for is over. One timer, of what is first; none where nothing is waited for.
#[derive(Debug)]
pub(super) struct Clock {
    head_limit: Duration,
    write_limit: Duration,
    silence: Option<Instant>,
    head: Option<Instant>,
    write: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Counts the first silence from here. A limit that no clock reaches is none.
    pub(super) fn new(silence: Duration, head_limit: Duration, write_limit: Duration) -> Self {
        let silence = Instant::now().checked_add(silence);
        Self { head_limit, write_limit, silence, head: None, write: None, timer: None }
    }

    /// The first request has come.
    pub(super) fn spoken(&mut self) {
        self.silence = None;
    }

    /// A byte of a head has come. What counts is the first.
    pub(super) fn head_begins(&mut self) {
        if self.head.is_none() {
            self.head = Instant::now().checked_add(self.head_limit);
        }
    }

    pub(super) fn head_ends(&mut self) {
        self.head = None;
    }

    /// A write is not taken. What counts is the first since one was.
    pub(super) fn write_stalls(&mut self) {
        if self.write.is_none() {
            self.write = Instant::now().checked_add(self.write_limit);
        }
    }

    pub(super) fn write_moves(&mut self) {
        self.write = None;
    }

    /// Nothing counts any more.
    pub(super) fn stop(&mut self) {
        (self.silence, self.head, self.write, self.timer) = (None, None, None, None);
    }

    /// Ready when something is over. To be asked whenever its task waits.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let ends = [(self.silence, Over::Silence), (self.head, Over::Head), (self.write, Over::Write)];
        let ends = ends.into_iter().filter_map(|(end, over)| Some((end?, over)));
        let Some((end, over)) = ends.min_by_key(|(end, _)| *end) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_ends_first_is_over_first_and_by_one_timer() {
        let (start, mut clock) = (Instant::now(), Clock::new(75 * SECOND, 10 * SECOND, 30 * SECOND));
        assert!(clock.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        clock.write_stalls();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Write);
        assert_eq!(start.elapsed(), 30 * SECOND);
        clock.head_begins();
        clock.write_moves();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Head);
        assert_eq!(start.elapsed(), 40 * SECOND);
        clock.head_ends();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Silence);
        assert_eq!(start.elapsed(), 75 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_waited_for_there_is_no_timer() {
        let mut clock = Clock::new(SECOND, SECOND, SECOND);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(clock.poll(&mut cx).is_pending() && clock.timer.is_some());
        clock.spoken();
        assert!(clock.poll(&mut cx).is_pending() && clock.timer.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_no_clock_reaches_is_none() {
        let mut clock = Clock::new(Duration::MAX, Duration::MAX, Duration::MAX);
        clock.head_begins();
        clock.write_stalls();
        assert!(clock.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending() && clock.timer.is_none());
    }
}

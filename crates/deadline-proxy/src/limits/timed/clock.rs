//! Which of a connection's limits runs out first, and when.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
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

/// When what the connection waits for is over. One timer, which stands at the first of that or before: it is moved once it
/// fires too early, and not for each request.
#[derive(Debug)]
pub(super) struct Clock {
    idle_limit: Duration,
    head_limit: Duration,
    write_limit: Duration,
    silence: Option<Instant>,
    head: Option<Instant>,
    write: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    waker: Option<Waker>,
}

impl Clock {
    /// Counts the first silence from here. A limit that no clock reaches is none.
    pub(super) fn new(idle_limit: Duration, head_limit: Duration, write_limit: Duration) -> Self {
        let (head, write, silence) = (None, None, Instant::now().checked_add(idle_limit));
        Self { idle_limit, head_limit, write_limit, silence, head, write, timer: None, waker: None }
    }

    /// A request has come.
    pub(super) fn asked(&mut self) {
        (self.silence, self.head) = (None, None);
    }

    /// The last one has ended, at this time.
    pub(super) fn rests(&mut self, since: Instant) {
        (self.silence, self.head) = (since.checked_add(self.idle_limit), None);
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

    /// Who takes what was written before is not silent.
    pub(super) fn write_moves(&mut self) {
        if self.write.take().is_some() && self.silence.is_some() {
            self.silence = Instant::now().checked_add(self.idle_limit);
        }
    }

    /// Nothing counts any more.
    pub(super) fn stop(&mut self) {
        (self.silence, self.head, self.write) = (None, None, None);
        (self.timer, self.waker) = (None, None);
    }

    /// Ready when something is over. To be asked whenever its task waits.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let Some((end, over)) = self.first() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        } else if !timer.is_elapsed() && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        self.waker = Some(cx.waker().clone());
        while timer.deadline() < end {
            ready!(timer.as_mut().poll(cx));
            timer.as_mut().reset(end);
        }
        timer.as_mut().poll(cx).map(|()| over)
    }

    /// What is over first.
    fn first(&self) -> Option<(Instant, Over)> {
        if (self.silence, self.head, self.write) == (None, None, None) {
            return None;
        }
        // What is asked next, nobody knows who has not got what was asked before.
        let silence = self.silence.filter(|_| self.write.is_none());
        let ends = [(silence, Over::Silence), (self.head, Over::Head), (self.write, Over::Write)];
        let ends = ends.into_iter().filter_map(|(end, over)| Some((end?, over)));
        ends.min_by_key(|(end, _)| *end)
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
        assert!(clock.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        clock.write_stalls();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Write);
        assert_eq!(start.elapsed(), 30 * SECOND);
        clock.head_begins();
        clock.write_moves();
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Head);
        assert_eq!(start.elapsed(), 40 * SECOND);
        clock.head_ends();
        // Since the write was taken.
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Silence);
        assert_eq!(start.elapsed(), 105 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn one_timer_stands_and_is_moved_when_it_fires_too_early() {
        let (start, mut clock) = (Instant::now(), Clock::new(10 * SECOND, SECOND, SECOND));
        let mut cx = Context::from_waker(Waker::noop());
        let stands = |clock: &Clock| clock.timer.as_ref().map(|timer| timer.deadline() - start);
        assert!(clock.poll(&mut cx).is_pending());
        for second in 1..=3 {
            clock.asked();
            assert!(clock.poll(&mut cx).is_pending());
            tokio::time::advance(SECOND).await;
            clock.rests(Instant::now());
            assert!(clock.poll(&mut cx).is_pending());
            assert_eq!((start.elapsed(), stands(&clock)), (second * SECOND, Some(10 * SECOND)));
        }
        assert_eq!(poll_fn(|cx| clock.poll(cx)).await, Over::Silence);
        assert_eq!(start.elapsed(), 13 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_counts_any_more_there_is_no_timer() {
        let mut clock = Clock::new(SECOND, SECOND, SECOND);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(clock.poll(&mut cx).is_pending() && clock.timer.is_some());
        clock.stop();
        assert!(clock.poll(&mut cx).is_pending() && clock.timer.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_no_clock_reaches_is_none() {
        let mut clock = Clock::new(Duration::MAX, Duration::MAX, Duration::MAX);
        clock.head_begins();
        clock.write_stalls();
        assert!(clock.poll(&mut Context::from_waker(Waker::noop())).is_pending() && clock.timer.is_none());
    }
}

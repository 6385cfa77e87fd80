//! How many events there may be.
//!
//! Covers a burst and a rate for each cause, and how many were not told. Does not tell anything.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::now;

/// As many of one cause are told at once.
const BURST: u32 = 10;

/// One more is told each time this has passed.
const EACH: Duration = Duration::from_secs(1);

/// As many causes are told apart; what is one more shares the place of the last.
const CAUSES: usize = 64;

/// Lets ten events of each cause through at once, and one a second after that. It is meant for a `static`, and holds a
/// mutex for as long as an addition takes.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_deadline::log::Limiter;
///
/// let (limiter, start) = (Limiter::new(), Instant::now());
/// let told = (0..1_000).filter(|_| limiter.pass("refused", start).is_some()).count();
/// assert_eq!(told, 10);
/// assert_eq!(limiter.pass("timed out", start), Some(0), "another cause");
/// assert_eq!(limiter.pass("refused", start + Duration::from_secs(1)), Some(990));
/// ```
#[derive(Debug, Default)]
pub struct Limiter(Mutex<Vec<Told>>);

#[derive(Debug)]
struct Told {
    cause: &'static str,
    /// When the place of the last one that was told is free again, were there only one place.
    free: Instant,
    suppressed: u64,
}

impl Limiter {
    /// One that has let nothing through.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Whether an event of this cause may be told now: then how many of its cause were not told since the last one that
    /// was. `None`: it is one more of those.
    ///
    /// Causes are words of a program, not of its clients: beyond 64, they are no longer told apart.
    pub fn pass(&self, cause: &'static str, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = causes.iter().position(|told| told.cause == cause);
        let at = known.unwrap_or_else(|| {
            if causes.len() < CAUSES {
                causes.push(Told { cause, free: now, suppressed: 0 });
            }
            causes.len() - 1
        });
        causes.get_mut(at)?.pass(now)
    }

    /// The same where somebody listens; otherwise nothing has happened.
    pub(super) fn pass_if(&self, is_heard: bool, cause: &'static str) -> Option<u64> {
        if is_heard { self.pass(cause, now()) } else { None }
    }
}

impl Told {
    fn pass(&mut self, now: Instant) -> Option<u64> {
        let free = self.free.max(now);
        if free > now + EACH * (BURST - 1) {
            self.suppressed += 1;
            return None;
        }
        self.free = free + EACH;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn ten_at_once_then_one_a_second() {
        let (limiter, start) = (Limiter::new(), now());
        let pass = |after: u32| limiter.pass("deadline", start + after * MS);
        assert!((0..10).all(|_| pass(0) == Some(0)));
        assert_eq!([pass(0), pass(1), pass(999)], [None; 3]);
        assert_eq!(pass(1_000), Some(3));
        assert_eq!([pass(1_000), pass(1_999)], [None; 2]);
        assert_eq!([pass(2_000), pass(2_000)], [Some(2), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_comes_back_and_no_more_than_that() {
        let (limiter, start) = (Limiter::new(), now());
        let burst = |after: u32| (0..100).filter(|_| limiter.pass("deadline", start + after * MS).is_some()).count();
        assert_eq!(burst(0), 10);
        assert_eq!(burst(3_500), 3);
        assert_eq!(burst(4_000), 1);
        assert_eq!(burst(3_600_000), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cause_does_not_hide_another() {
        let (limiter, start) = (Limiter::new(), now());
        assert_eq!((0..100).filter(|_| limiter.pass("deadline", start).is_some()).count(), 10);
        assert_eq!((0..100).filter(|_| limiter.pass("client_gone", start).is_some()).count(), 10);
        assert_eq!(limiter.pass("deadline", start), None);
    }

    #[tokio::test(start_paused = true)]
    async fn causes_without_end_do_not_grow_it() {
        let (limiter, start) = (Limiter::new(), now());
        let causes = (0..1_000).map(|number| &*Box::leak(number.to_string().into_boxed_str()));
        let told = causes.filter(|cause| limiter.pass(cause, start).is_some()).count();
        assert_eq!(told, CAUSES + 9);
        assert_eq!(limiter.0.lock().unwrap().len(), CAUSES);
    }

    #[test]
    fn nothing_is_used_up_where_nobody_listens() {
        let limiter = Limiter::new();
        assert!((0..100).all(|_| limiter.pass_if(false, "deadline").is_none()));
        assert_eq!(limiter.pass_if(true, "deadline"), Some(0));
    }

    #[test]
    fn many_threads_are_told_of_as_one() {
        let (limiter, start) = (Limiter::new(), now());
        let told = std::thread::scope(|scope| {
            let told = || (0..1_000).filter(|_| limiter.pass("deadline", start).is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(told)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(told, 10);
        assert_eq!(limiter.pass("deadline", start + EACH), Some(3_990));
    }
}

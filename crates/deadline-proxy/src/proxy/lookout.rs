//! Who looks at requests from outside, where nothing inside of them can.
//!
//! A request that waits is polled when what it waits for is there, and a response body only while its peer reads. Covers
//! the two instants that wait for neither: the deadline of a request, and the end of the process. One task for each
//! worker looks out for both, asleep until the first deadline of all, so that a request that is over before arms no timer
//! and waits for nothing: it is written down and struck out.
//!
//! Does not know what is to be done then: that is the word of [`Seen`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::sleep_until;
use tower_deadline::now;

use crate::shutdown::Shutdown;

/// Longer than any process runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What is looked out for.
pub(super) trait Seen: Send + Sync {
    /// Its instant has come. It is not looked out for any more.
    fn due(self: Arc<Self>);

    /// Everything is stopped: whoever polls it has to look.
    fn stopped(&self);
}

/// Where somebody stands who is looked out for: when it is due, and a number.
pub(super) type Place = (Instant, u64);

/// Looks out for the requests of a worker. A clone is the same.
#[derive(Clone)]
pub(super) struct Lookout(Arc<Shared>);

struct Shared {
    shutdown: Shutdown,
    list: Mutex<List>,
    /// Says that somebody is due sooner than was known, or that nobody will be any more.
    sooner: Arc<Notify>,
}

struct List {
    seen: BTreeMap<Place, Arc<dyn Seen>>,
    last: u64,
    never: Instant,
    /// Until when whoever looks out sleeps; `None` where nobody does.
    asleep: Option<Instant>,
}

impl Lookout {
    /// Looks out for nobody yet.
    pub(super) fn new(shutdown: Shutdown) -> Self {
        let list = List { seen: BTreeMap::new(), last: 0, never: now() + FOR_EVER, asleep: None };
        Self(Arc::new(Shared { shutdown, list: Mutex::new(list), sooner: Arc::default() }))
    }

    /// Whether everything is stopped.
    pub(super) fn has_begun(&self) -> bool {
        self.0.shutdown.has_begun()
    }

    /// Looks out for this one, which is due at this instant if at all. To be called within a runtime.
    pub(super) fn enter(&self, due: Option<Instant>, seen: Arc<dyn Seen>) -> Place {
        let mut list = self.0.list();
        list.last += 1;
        let place = (due.unwrap_or(list.never), list.last);
        list.seen.insert(place, seen);
        match list.asleep {
            Some(asleep) if asleep <= place.0 => {}
            Some(_) => {
                list.asleep = Some(place.0);
                self.0.sooner.notify_one();
            }
            None => {
                list.asleep = Some(place.0);
                drop(list);
                let looking = Looking { shared: Arc::downgrade(&self.0), is_over: false };
                tokio::spawn(look_out(looking, self.0.shutdown.clone(), Arc::clone(&self.0.sooner)));
            }
        }
        place
    }

    /// Strikes out who stands there, if it does still.
    pub(super) fn leave(&self, place: Place) {
        let left = self.0.list().seen.remove(&place);
        // Dropped without the lock.
        drop(left);
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").field("seen", &self.0.list().seen.len()).finish_non_exhaustive()
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_due(&self) {
        let now = now();
        loop {
            let mut list = self.list();
            let due = list.seen.first_entry().filter(|first| first.key().0 <= now);
            let Some(seen) = due.map(|due| due.remove()) else { return };
            drop(list);
            seen.due();
        }
    }

    fn tell_stopped(&self) {
        let seen: Vec<_> = self.list().seen.values().cloned().collect();
        seen.iter().for_each(|seen| seen.stopped());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.sooner.notify_one();
    }
}

/// Somebody looks out, until this is dropped: with its runtime, too.
struct Looking {
    shared: Weak<Shared>,
    is_over: bool,
}

impl Looking {
    /// Until when there is nothing to do; `None` where there is nobody to look out for.
    fn rest(&mut self) -> Option<Instant> {
        let shared = self.shared.upgrade()?;
        let mut list = shared.list();
        list.asleep = list.seen.first_key_value().map(|(place, _)| place.0);
        self.is_over = list.asleep.is_none();
        list.asleep
    }

    fn with(&self, tell: impl FnOnce(&Shared)) {
        if let Some(shared) = self.shared.upgrade() {
            tell(&shared);
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        // Whoever has ended has said so, and another may look out by now.
        if !self.is_over {
            self.with(|shared| shared.list().asleep = None);
        }
    }
}

async fn look_out(mut looking: Looking, shutdown: Shutdown, sooner: Arc<Notify>) {
    let (mut begun, mut has_begun) = (Box::pin(shutdown.begun()), false);
    while let Some(until) = looking.rest() {
        tokio::select! {
            () = &mut begun, if !has_begun => {
                has_begun = true;
                looking.with(Shared::tell_stopped);
            }
            () = sooner.notified() => {}
            () = sleep_until(until.into()) => looking.with(Shared::tell_due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::yield_now;
    use tokio::time::advance;

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Counted {
        due: AtomicUsize,
        stopped: AtomicUsize,
    }

    impl Seen for Counted {
        fn due(self: Arc<Self>) {
            self.due.fetch_add(1, Ordering::Relaxed);
        }

        fn stopped(&self) {
            self.stopped.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counted {
        fn told(&self) -> [usize; 2] {
            [&self.due, &self.stopped].map(|count| count.load(Ordering::Relaxed))
        }
    }

    async fn after(time: Duration) {
        yield_now().await;
        advance(time).await;
        yield_now().await;
        yield_now().await;
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_told_at_its_instant_whoever_came_first() {
        let lookout = Lookout::new(Shutdown::new());
        let seen: [Arc<Counted>; 4] = Default::default();
        for (seen, due) in seen.iter().zip([Some(3), Some(1), None, Some(2)]) {
            lookout.enter(due.map(|due| now() + due * SECOND), Arc::<Counted>::clone(seen));
        }
        let told = || seen.each_ref().map(|seen| seen.told()[0]);
        for (after_ms, expected) in [
            (999, [0, 0, 0, 0]),
            (1, [0, 1, 0, 0]),
            (1_000, [0, 1, 0, 1]),
            (1_000, [1, 1, 0, 1]),
            (9_000, [1, 1, 0, 1]),
        ] {
            after(Duration::from_millis(after_ms)).await;
            assert_eq!(told(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_left_is_told_nothing_and_is_not_kept() {
        let lookout = Lookout::new(Shutdown::new());
        let seen = Arc::new(Counted::default());
        let place = lookout.enter(Some(now() + SECOND), Arc::<Counted>::clone(&seen));
        lookout.leave(place);
        lookout.leave(place);
        assert_eq!(Arc::strong_count(&seen), 1);
        after(2 * SECOND).await;
        assert_eq!(seen.told(), [0, 0]);
        assert_eq!(lookout.0.list().asleep, None, "nobody looks out for nobody");
        lookout.enter(Some(now() + SECOND), Arc::<Counted>::clone(&seen));
        after(SECOND).await;
        assert_eq!(seen.told(), [1, 0], "but for who comes then");
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_is_told_once_that_everything_is_stopped() {
        let shutdown = Shutdown::new();
        let lookout = Lookout::new(shutdown.clone());
        let seen = Arc::new(Counted::default());
        lookout.enter(None, Arc::<Counted>::clone(&seen));
        lookout.enter(Some(now() + SECOND), Arc::<Counted>::clone(&seen));
        after(Duration::ZERO).await;
        shutdown.begin();
        after(Duration::ZERO).await;
        assert_eq!((seen.told(), lookout.has_begun()), ([0, 2], true));
        after(SECOND).await;
        assert_eq!(seen.told(), [1, 2], "a deadline counts as before");
    }

    /// A worker of another runtime may go on with it.
    #[test]
    fn another_runtime_looks_out_where_the_first_has_gone() {
        let lookout = Lookout::new(Shutdown::new());
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let seen = Arc::new(Counted::default());
            runtime.block_on(async {
                let place = lookout.enter(Some(now() + Duration::from_millis(5)), Arc::<Counted>::clone(&seen));
                tokio::time::sleep(Duration::from_millis(50)).await;
                assert_eq!(seen.told(), [1, 0]);
                lookout.leave(place);
                lookout.enter(None, Arc::<Counted>::clone(&seen));
                yield_now().await;
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_last_of_its_handles() {
        let lookout = Lookout::new(Shutdown::new());
        lookout.enter(None, Arc::<Counted>::default());
        yield_now().await;
        let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(alive(), 1);
        drop(lookout);
        yield_now().await;
        assert_eq!(alive(), 0);
    }
}

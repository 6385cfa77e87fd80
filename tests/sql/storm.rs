//! A storm: many requests whose statements take far too long, and what is left for the healthy ones.
//!
//! Covers the phases, for whatever adapter, and the numbers that it has to keep; the naive use of a pool goes through
//! the same phases, and is printed beside it. Does not know how a statement is run: a [`Subject`] does.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tower_deadline::{Deadline, now};

use super::support::{Database, Watcher};
use crate::support::MS;

const REQUESTS: usize = 500;
const WORKERS: usize = 32;
const HEALTHY: usize = 200;
/// So many of the healthy ones at once.
const VISITORS: usize = 4;
/// Fewer than so many of the healthy ones fail by chance, and are asked again, where the machine itself stands still for
/// this long: so often.
const CHANCE: usize = HEALTHY / 20;
const STILL: Duration = Duration::from_millis(10);
const TRIES: usize = 3;
/// Two at once are more than the machine has that runs the tests.
static ONE: Mutex<()> = Mutex::const_new(());
/// The connections of every pool, and of each kind of worker where they are mixed.
pub(crate) const POOL: usize = 8;
const MIXED: Duration = Duration::from_secs(2);
const SLOW: Kind = Kind { statement: "SELECT pg_sleep(5)", timeout: Duration::from_millis(50) };
const FAST: Kind = Kind { statement: "SELECT 1", timeout: Duration::from_millis(50) };
/// Beside slow ones: one of them may be first, and has its connection for all of its time.
const PATIENT: Kind = Kind { timeout: Duration::from_millis(100), ..FAST };

/// A request, and the time that it has, its wait for a connection included.
#[derive(Clone, Copy)]
struct Kind {
    statement: &'static str,
    timeout: Duration,
}

/// A pool of [`POOL`] connections, and a way to run a statement.
pub(crate) trait Subject: Send + Sync + 'static {
    fn run(&self, statement: &'static str, deadline: Deadline) -> impl Future<Output = Ran> + Send;
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// There was no connection in time.
    Unsent,
    Stopped,
    Answered,
}

/// What was seen of one subject.
#[derive(Debug)]
pub(crate) struct Storm {
    name: &'static str,
    /// Of all [`REQUESTS`], those that got a connection.
    pub(crate) sent: usize,
    /// Backends that work on a slow statement, by so many milliseconds after the last answer.
    pub(crate) active: [(u64, usize); 3],
    /// Of all [`HEALTHY`].
    pub(crate) healthy: usize,
    /// Fast requests that were answered beside slow ones, and all.
    pub(crate) mixed: (usize, usize),
    /// Connections that were not there before the storm.
    pub(crate) reconnects: usize,
}

impl Storm {
    /// All phases, on a database of the subject's own.
    pub(crate) async fn over<S: Subject>(name: &'static str, database: &Database, subject: S) -> Self {
        let _alone = ONE.lock().await;
        let (watcher, subject) = (database.watcher().await, Arc::new(subject));
        let warm = warm(&watcher, &subject).await;
        let sent = crowd(WORKERS, REQUESTS, &subject, SLOW).await.iter().filter(|ran| **ran != Ran::Unsent).count();
        let active = aftermath(&watcher).await;
        let healthy = healthy(&watcher, &subject).await;
        let mixed = mixed(&subject).await;
        let reconnects = watcher.pids().await.difference(&warm).count();
        Self { name, sent, active, healthy, mixed, reconnects }
    }

    /// What the issue asks of every adapter that keeps its connections.
    #[track_caller]
    pub(crate) fn assert_weathered(&self) {
        assert_eq!(self.active[2].1, 0, "statements outlive their requests: {self}");
        assert_eq!(self.healthy, HEALTHY, "healthy requests suffer: {self}");
        assert!(self.served() >= 0.95, "healthy requests suffer beside slow ones: {self}");
        // A storm that never gets at the database is none.
        assert!(self.sent > REQUESTS / 10, "{self}");
    }

    /// The share of fast requests that were answered beside slow ones.
    #[expect(clippy::cast_precision_loss, reason = "not so many")]
    pub(crate) fn served(&self) -> f64 {
        self.mixed.0 as f64 / self.mixed.1.max(1) as f64
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sent, active, healthy, mixed: (fast, all), reconnects } = self;
        let active = active.map(|(after, number)| format!("+{after} ms: {number}")).join(", ");
        write!(
            f,
            "{name}: {sent} of {REQUESTS} sent; active {active}; healthy {healthy}/{HEALTHY}; mixed {fast}/{all} = \
             {:.1} %; {reconnects} reconnects",
            self.served() * 100.0
        )
    }
}

fn deadline(timeout: Duration) -> Deadline {
    Deadline::after(now(), timeout)
}

/// Has every connection opened, and says who they are.
async fn warm<S: Subject>(watcher: &Watcher, subject: &Arc<S>) -> BTreeSet<i32> {
    let mut all = JoinSet::new();
    for _ in 0..POOL {
        let subject = Arc::clone(subject);
        all.spawn(async move { subject.run("SELECT pg_sleep(0.5)", deadline(Duration::from_secs(15))).await });
    }
    assert_eq!(all.join_all().await, [Ran::Answered; POOL], "all connections can be had at once");
    watcher.pids().await
}

/// So many of these requests, by so many workers.
async fn crowd<S: Subject>(workers: usize, requests: usize, subject: &Arc<S>, kind: Kind) -> Vec<Ran> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut crowd = JoinSet::new();
    for _ in 0..workers {
        let (begun, subject) = (Arc::clone(&begun), Arc::clone(subject));
        crowd.spawn(async move {
            let mut all = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < requests {
                all.push(subject.run(kind.statement, deadline(kind.timeout)).await);
            }
            all
        });
    }
    crowd.join_all().await.concat()
}

/// Who still works for nobody.
async fn aftermath(watcher: &Watcher) -> [(u64, usize); 3] {
    let start = Instant::now();
    let mut active = [0, 100, 250].map(|after| (after, 0));
    for (after, number) in &mut active {
        sleep_until(start + Duration::from_millis(*after)).await;
        *number = watcher.active().await;
    }
    active
}

/// How many of the healthy ones are answered. What a machine does that has no time for any of it is not held against
/// the subject: whoever asks the server directly sees that too.
async fn healthy<S: Subject>(watcher: &Watcher, subject: &Arc<S>) -> usize {
    let mut answered = 0;
    for _ in 0..TRIES {
        let all = crowd(VISITORS, HEALTHY, subject, FAST);
        let (all, pause) = longest_pause(watcher, all).await;
        answered = all.iter().filter(|ran| **ran == Ran::Answered).count();
        if answered == HEALTHY || HEALTHY - answered >= CHANCE || pause < STILL {
            break;
        }
        println!("{answered} of {HEALTHY}, while the machine stood still for {pause:?}");
    }
    answered
}

/// The longest that the server took for nothing, as long as this went on.
async fn longest_pause<F: Future>(watcher: &Watcher, meanwhile: F) -> (F::Output, Duration) {
    let (mut longest, mut often) = (Duration::ZERO, interval(MS));
    let asking = async {
        loop {
            let due = often.tick().await;
            watcher.client.batch_execute("").await.expect("the server can be asked");
            longest = longest.max(due.elapsed());
        }
    };
    let done = tokio::select! {
        done = meanwhile => done,
        () = asking => unreachable!("it asks for ever"),
    };
    (done, longest)
}

/// Slow and fast ones together: how many fast ones were answered, and how many there were.
async fn mixed<S: Subject>(subject: &Arc<S>) -> (usize, usize) {
    let until = Instant::now() + MIXED;
    let (mut slow, mut fast) = (JoinSet::new(), JoinSet::new());
    for _ in 0..POOL {
        slow.spawn(worker(Arc::clone(subject), SLOW, until));
        fast.spawn(worker(Arc::clone(subject), PATIENT, until));
    }
    let fast = fast.join_all().await.concat();
    assert!(slow.join_all().await.concat().iter().all(|ran| *ran != Ran::Answered), "nobody sleeps so fast");
    (fast.iter().filter(|ran| **ran == Ran::Answered).count(), fast.len())
}

async fn worker<S: Subject>(subject: Arc<S>, kind: Kind, until: Instant) -> Vec<Ran> {
    let mut all = Vec::new();
    while Instant::now() < until {
        all.push(subject.run(kind.statement, deadline(kind.timeout)).await);
        // As between two requests of one client.
        tokio::time::sleep(MS).await;
    }
    all
}

//! What the tests share: programs, upstreams, clients, and the bounds on waiting.

use std::time::Duration;

use tokio::time::{Instant, sleep};

mod act;
mod chance;
mod crowd;
mod curl;
mod deaf;
mod folder;
pub(crate) mod frames;
mod h2c;
mod head;
mod http1;
mod manner;
mod message;
mod mirror;
mod next;
mod place;
mod program;
mod proxy;
mod scripts;
mod server;
mod upstream;

pub(crate) use self::act::{Act, Ended, Then};
pub(crate) use self::chance::Chance;
pub(crate) use self::crowd::{Asked, Told, crowd};
pub(crate) use self::curl::{Answer, curl};
pub(crate) use self::deaf::Deaf;
pub(crate) use self::folder::Folder;
pub(crate) use self::h2c::{End, H2Client, Reply};
pub(crate) use self::head::{Head, timeout};
pub(crate) use self::http1::Http1Client;
pub(crate) use self::manner::Manner;
pub(crate) use self::mirror::{Mirror, Visit};
pub(crate) use self::next::Next;
pub(crate) use self::place::{Place, own_place};
pub(crate) use self::program::{Finished, Program, binary, signal};
pub(crate) use self::proxy::Proxy;
pub(crate) use self::server::{AnyBody, Server, body, scripted};
pub(crate) use self::upstream::{Exchange, Upstream};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// The most that anything waits for: reached only where something is broken.
const LIMIT: Duration = Duration::from_secs(15);

/// How much later than it is due something may happen on a machine that is busy building.
pub(crate) const SLACK: Duration = Duration::from_millis(1700);

/// What `future` yields; it must not take for ever.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let outcome = tokio::time::timeout(LIMIT, future).await;
    outcome.unwrap_or_else(|_| panic!("waited {LIMIT:?} for {what}"))
}

/// Waits until `is_true`, which nothing tells of.
pub(crate) async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let wait = async {
        while !is_true() {
            sleep(5 * MS).await;
        }
    };
    soon(what, wait).await;
}

/// Fails unless `took` is `due`, exactly at its lower end and generously at its upper.
#[track_caller]
pub(crate) fn assert_due(took: Duration, due: Duration) {
    assert!((due..due + SLACK).contains(&took), "took {took:?}, due after {due:?}");
}

/// The time since a test sent what it waits for.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Now is when it is due.
    #[track_caller]
    pub(crate) fn assert_due(&self, due: Duration) {
        assert_due(self.0.elapsed(), due);
    }
}

//! Wishes that the configuration be read again.
//!
//! Covers how somebody asks, and is told what came of it: one at a time, in their order. Does not reload.

use tokio::sync::{mpsc, oneshot};

/// What came of a reload: the number of the configuration that is in use since, or why it is the old one.
pub(crate) type Reloaded = Result<u64, Vec<String>>;

/// How many may wait. Whoever asks beyond that waits to ask.
const WAITING: usize = 16;

/// Where somebody can ask. A clone asks at the same place.
#[derive(Clone, Debug)]
pub(super) struct Reloads(mpsc::Sender<Wish>);

/// Where whoever can grant a wish hears of it.
#[derive(Debug)]
pub struct Wishes(mpsc::Receiver<Wish>);

/// Somebody wants the configuration to be read again.
#[derive(Debug)]
pub(crate) struct Wish {
    reason: &'static str,
    told: Option<oneshot::Sender<Reloaded>>,
}

impl Reloads {
    pub(super) fn new() -> (Self, Wishes) {
        let (ask, wishes) = mpsc::channel(WAITING);
        (Self(ask), Wishes(wishes))
    }

    /// Asks, and waits for what comes of it; `None` where nobody reloads any more. Dropping the future does not take the
    /// wish back.
    pub(super) async fn reload(&self) -> Option<Reloaded> {
        let (told, outcome) = oneshot::channel();
        self.0.send(Wish { reason: "POST /reload", told: Some(told) }).await.ok()?;
        outcome.await.ok()
    }
}

impl Wishes {
    /// The next. Never ends where nobody can ask. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Wish {
        match self.0.recv().await {
            Some(wish) => wish,
            None => std::future::pending().await,
        }
    }
}

impl Wish {
    /// Of somebody who does not wait for what comes of it.
    pub(crate) fn silent(reason: &'static str) -> Self {
        Self { reason, told: None }
    }

    /// Why it was wished for.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    /// Tells what came of it.
    pub(crate) fn come_true(self, outcome: Reloaded) {
        // Who has left need not know.
        let _ = self.told.map(|told| told.send(outcome));
    }
}

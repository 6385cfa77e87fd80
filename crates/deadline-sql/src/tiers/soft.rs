//! The soft tier: longer, tried again once, and something in its place.

use http_deadline::Policy;

use super::Transient;
use super::bounds::Bounds;
use crate::Interrupted;

/// The tier of a replica; see the [module](super).
///
/// It is for reads: what failed may be done twice, and what took too long is given up without a word from the server.
#[derive(Clone, Debug)]
pub struct Soft {
    policy: Policy,
}

/// A read that has not begun; see [`Soft::run`].
#[derive(Debug)]
#[must_use = "it does nothing until it is told what stands in its place"]
pub struct Reading<'a, W> {
    tier: &'a Soft,
    read: W,
}

impl Soft {
    /// A tier under this policy: its `timeout` and its `min` count, and its `reserve` is what is left to the fallback
    /// before the request's own deadline.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// Reads, and again where the error is [`Transient`] and there is room for it.
    pub fn run<W>(&self, read: W) -> Reading<'_, W> {
        Reading { tier: self, read }
    }
}

impl<W> Reading<'_, W> {
    /// What stands for the answer where there is none: it is told why, and has up to the request's own deadline, beyond
    /// that of the tier. Where the request's has passed, it is not begun (R16). Without a substitute, say so:
    /// `async |why| Err(why)`.
    ///
    /// The time of the tier runs from the first poll on. Dropping the future drops what it does at that time.
    ///
    /// # Errors
    ///
    /// That of the fallback; that of the read, where there was no time for a fallback.
    pub async fn or_else<R, F, T, E>(mut self, fallback: impl FnOnce(E) -> F) -> Result<T, E>
    where
        W: FnMut() -> R,
        R: Future<Output = Result<T, E>>,
        F: Future<Output = Result<T, E>>,
        E: From<Interrupted> + Transient,
    {
        let read = self.read().await;
        let request = Bounds::of_request();
        match read {
            Err(why) if request.leave_room() => request.hold(|| fallback(why)).await,
            read => read,
        }
    }

    /// The answer of the first attempt, or of the second.
    async fn read<R, T, E>(&mut self) -> Result<T, E>
    where
        W: FnMut() -> R,
        R: Future<Output = Result<T, E>>,
        E: From<Interrupted> + Transient,
    {
        let bounds = Bounds::of(&self.tier.policy);
        match bounds.hold(&mut self.read).await {
            // R22: without a back-off, the attempt is all that has to fit.
            Err(error) if error.is_transient() && bounds.leave_room() => bounds.hold(&mut self.read).await,
            read => read,
        }
    }
}

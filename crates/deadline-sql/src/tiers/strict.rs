//! The strict tier: short, hard, and nothing in its place.

use http_deadline::Policy;

use super::bounds::Bounds;
use crate::Interrupted;

/// The tier of a primary; see the [module](super).
///
/// ```
/// use std::time::Duration;
///
/// use deadline_sql::Interrupted;
/// use deadline_sql::tiers::Strict;
/// use http_deadline::{Policy, Stage};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let primary = Strict::new(Policy::new().named("payment").default_timeout(Duration::from_millis(300)));
/// let locked = primary.run(async || std::future::pending::<Result<(), Interrupted>>().await).await;
/// let late = locked.unwrap_err();
/// assert_eq!(late.exceeded().stage(), Stage::Database);
/// assert_eq!(late.exceeded().origin().to_string(), "policy payment");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Strict {
    policy: Policy,
}

impl Strict {
    /// A tier under this policy: its `timeout`, its `min` and its `reserve` count.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// Does the work, once. Its time runs from the first poll on.
    ///
    /// Dropping the future drops the work.
    ///
    /// # Errors
    ///
    /// That of the work, as it is; an [`Interrupted`] of stage `unsent` where there was no room to begin, and one whose
    /// outcome is unknown where the work had not ended in time.
    pub async fn run<F, T, E>(&self, work: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Interrupted>,
    {
        Bounds::of(&self.policy).hold(work).await
    }
}

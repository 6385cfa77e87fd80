//! What a pool is told.

use std::time::Duration;

/// How the statements of a pool are stopped. The defaults are what was measured to do well on PostgreSQL.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) reserve: Duration,
    pub(crate) grace: Duration,
    pub(crate) cancel_limit: Duration,
    pub(crate) max_cancels: usize,
    pub(crate) drains: Vec<Duration>,
    pub(crate) roll_back_limit: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reserve: Duration::from_millis(1),
            grace: Duration::from_millis(20),
            cancel_limit: Duration::from_secs(1),
            max_cancels: 4,
            drains: [50, 100, 200, 400, 800].map(Duration::from_millis).to_vec(),
            roll_back_limit: Duration::from_millis(500),
        }
    }
}

impl Settings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much sooner than at the deadline the server stops by itself, so that its word comes back in time: then it is
    /// known that nothing is left of the statement. By default 1 ms; where the policy of the request keeps more in
    /// reserve, that counts.
    #[must_use]
    pub fn reserve(self, reserve: Duration) -> Self {
        Self { reserve, ..self }
    }

    /// How long a server that was told the time is given to stop by itself before a cancel is sent. By default 20 ms.
    /// A statement whose caller went away before its deadline is cancelled at once.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// How long one cancel may take, to its acknowledgement. By default a second, because the server starts a process for
    /// it. A connection whose cancel was sent and not acknowledged is closed: it could hit a later statement (R41).
    #[must_use]
    pub fn cancel_limit(self, cancel_limit: Duration) -> Self {
        Self { cancel_limit, ..self }
    }

    /// How many cancels may be under way at once; at least one. By default 4: PostgreSQL starts a process for each.
    #[must_use]
    pub fn max_cancels(self, max_cancels: usize) -> Self {
        Self { max_cancels: max_cancels.max(1), ..self }
    }

    /// How long the connection is waited for after each cancel, and so how often it is cancelled before it is closed. By
    /// default 50, 100, 200, 400 and 800 ms: a cancel can be lost, and some work is not interrupted at once.
    #[must_use]
    pub fn drains(self, drains: impl IntoIterator<Item = Duration>) -> Self {
        Self { drains: drains.into_iter().collect(), ..self }
    }

    /// How long ending an open transaction may take before the connection is closed instead. By default 500 ms.
    #[must_use]
    pub fn roll_back_limit(self, roll_back_limit: Duration) -> Self {
        Self { roll_back_limit, ..self }
    }
}

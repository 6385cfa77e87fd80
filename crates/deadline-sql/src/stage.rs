//! What a call is part of.
//!
//! Covers the deadline of its request, the stage as the journey of a request records it, and the stage `connect` within the wait for a pool, which
//! only the driver sees. Does not know what is done in a stage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http_deadline::{Ambient, Deadline, Stage, StageGuard};

tokio::task_local! {
    /// Whether whoever waits for a connection is connecting.
    static CONNECTING: Arc<AtomicBool>;
}

/// The deadline of the request that the running task works for. One that is only observed stops nothing.
pub(crate) fn binding(ambient: &Ambient) -> Option<Deadline> {
    let is_observed = ambient.journey().is_some_and(|journey| journey.policy().is_observed());
    ambient.deadline().filter(|_| !is_observed)
}

/// Opens a stage of the request that the running task works for, if it does.
pub(crate) fn enter(stage: Stage) -> Option<StageGuard> {
    Ambient::as_it_is().journey().map(|journey| journey.enter(stage))
}

/// Connects: as long as `dialling` runs, the request is in stage `connect`, not in `pool`.
pub async fn connecting<F: Future>(dialling: F) -> F::Output {
    let _stage = enter(Stage::Connect);
    let mark = CONNECTING.try_with(Arc::clone).unwrap_or_default();
    mark.store(true, Ordering::Relaxed);
    let dialled = dialling.await;
    // Not where it is dropped: that is what the mark is for.
    mark.store(false, Ordering::Relaxed);
    dialled
}

/// Where a wait for a connection stands.
#[derive(Debug, Default)]
pub(crate) struct Wait(Arc<AtomicBool>);

impl Wait {
    /// The wait itself.
    pub(crate) async fn run<F: Future>(&self, waiting: F) -> F::Output {
        CONNECTING.scope(Arc::clone(&self.0), waiting).await
    }

    /// The stage that it is in, or was in when it was dropped.
    pub(crate) fn stage(&self) -> Stage {
        if self.0.load(Ordering::Relaxed) { Stage::Connect } else { Stage::Pool }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::time::Duration;

    use crate::timer::within;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_while_it_dials_was_connecting() {
        let wait = Wait::default();
        assert_eq!(within(Duration::from_millis(1), wait.run(pending::<()>())).await, None);
        assert_eq!(wait.stage(), Stage::Pool);
        assert_eq!(within(Duration::from_millis(1), wait.run(connecting(pending::<()>()))).await, None);
        assert_eq!(wait.stage(), Stage::Connect);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_dialled_waits_for_the_pool_again() {
        let wait = Wait::default();
        let then_waits = async {
            connecting(ready(())).await;
            pending::<()>().await;
        };
        assert_eq!(within(Duration::from_millis(1), wait.run(then_waits)).await, None);
        assert_eq!(wait.stage(), Stage::Pool);
        connecting(ready(())).await;
    }
}

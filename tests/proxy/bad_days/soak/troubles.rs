//! What happens to the proxy of a soak meanwhile, and how often it has.

use std::time::Duration;

use tokio::time::sleep;

use crate::proxy::bad_days::backend::Backend;

#[derive(Debug, Default)]
pub(super) struct Troubles {
    pub(super) kills: u64,
    pub(super) stops: u64,
    pub(super) reloads: u64,
}

impl Troubles {
    /// Kills a backend, which is there again after this.
    pub(super) async fn kill(&mut self, backend: &mut Backend, pause: Duration) {
        backend.kill();
        sleep(pause).await;
        backend.rise().await;
        self.kills += 1;
    }

    /// Has a backend stand still for so long.
    pub(super) async fn stop(&mut self, backend: &mut Backend, pause: Duration) {
        backend.stop().await;
        sleep(pause).await;
        backend.go_on().await;
        self.stops += 1;
    }
}

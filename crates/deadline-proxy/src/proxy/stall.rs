//! Who takes nothing after the deadline (R13b).
//!
//! hyper does not poll a response body while its peer does not read, so a body cannot end itself. The
//! [lookout](super::lookout) drops it at the deadline, and the exchange with the upstream with it. The connection of a
//! client that goes on not reading is closed by the listener's limit on write stalls; over HTTP/2, where a window that
//! stays shut is no such stall, by what stands here.

use std::time::Duration;

use tokio::time::timeout;
use tower_deadline::Journey;

use crate::limits::Hangup;

/// What is closed, and when, if its peer takes nothing.
#[derive(Clone, Debug)]
pub(super) struct Stalled {
    pub(super) hangup: Hangup,
    /// How long a client may take nothing after the deadline.
    pub(super) limit: Duration,
}

impl Stalled {
    /// Closes the connection at the end of the limit, unless the journey has ended by then.
    pub(super) async fn hang_up_after(self, journey: Journey) {
        if timeout(self.limit, journey.ended()).await.is_err() {
            self.hangup.now();
        }
    }
}

//! How many tasks a runtime has, told to whoever counts.
//!
//! A connection is a task, and so is whatever waits beside a request: what is left behind is seen here first.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::count;

/// How often it is told: sooner than anybody asks twice.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Tells of the runtime that it runs on, by the name of its thread. Never ends; dropping it loses nothing.
pub(crate) async fn tell_tasks(thread: String) {
    let metrics = Handle::current().metrics();
    loop {
        count::tasks(&thread, metrics.num_alive_tasks());
        sleep(TELL_EVERY).await;
    }
}

//! Memory that was freed, given back to the system by a process that rests.
//!
//! mimalloc keeps for a second what was freed, and looks whether that has passed when it frees something large. It has no
//! thread and no timer for it: who rests after a burst would keep all of it until the next request. So something large is
//! taken and left now and then, on any one thread. Nothing is written to it, so that none of it is ever there. Does nothing
//! of use with an allocator that does without, and no harm.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::sleep;

/// How often: what was freed is there for a second anyway.
const EVERY: Duration = Duration::from_secs(1);

/// More than mimalloc has in one page with others (512 KiB): it is freed when it is left.
const LARGE: usize = 1024 * 1024;

/// Sees to it that memory is given back. Never ends; dropping it loses nothing else.
pub(crate) async fn give_back() {
    loop {
        sleep(EVERY).await;
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}

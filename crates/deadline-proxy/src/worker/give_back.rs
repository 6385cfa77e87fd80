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

#[cfg(test)]
mod tests {
    use super::*;
    use allocation_counter::measure;
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    #[test]
    fn something_large_is_taken_and_left_once_a_second() {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let counted = measure(|| {
            let ended = runtime.block_on(async { timeout(10 * EVERY + EVERY / 2, give_back()).await });
            assert!(ended.is_err());
        });
        assert_eq!(counted.bytes_total / LARGE as u64, 10);
        assert!(counted.bytes_max < 2 * LARGE as u64, "{counted:?}");
    }
}

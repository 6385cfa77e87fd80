//! The runtime that a thread measures in.
//!
//! Covers making it and entering it for the life of the thread. It is never driven but by what measures tasks:
//! a timer is armed in it and dropped again.

use std::cell::OnceCell;
use std::{io, mem};

use tokio::runtime::{Builder, Runtime};

std::thread_local! {
    static ENTERED: OnceCell<&'static Runtime> = const { OnceCell::new() };
}

/// Makes the runtime of this thread, and enters it. Once it is, nothing more happens.
pub(crate) fn enter() -> io::Result<()> {
    ENTERED.with(|entered| {
        if entered.get().is_none() {
            let runtime: &'static Runtime = Box::leak(Box::new(Builder::new_current_thread().enable_time().build()?));
            // Never left: of a guard and the runtime's own thread-locals, either may be dropped first.
            mem::forget(runtime.enter());
            let _ = entered.set(runtime);
        }
        Ok(())
    })
}

/// Drives a future, and the tasks that it spawns, where a runtime was entered.
pub(crate) fn drive<F: Future>(future: F) {
    ENTERED.with(|entered| {
        if let Some(runtime) = entered.get() {
            runtime.block_on(future);
        }
    });
}

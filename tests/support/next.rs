//! A process that a program of ours has started.

use std::fs;

use super::eventually;
use super::program::signal;

/// A process that another one has started. It is killed when this is dropped.
pub(crate) struct Next(u32);

impl Next {
    /// The one that this process has started.
    pub(crate) async fn of(process: u32) -> Self {
        let path = format!("/proc/{process}/task/{process}/children");
        let children = || fs::read_to_string(&path).expect("Linux tells of its processes");
        eventually("another process", || !children().trim().is_empty()).await;
        Self(children().trim().parse().expect("it is one number"))
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.0
    }

    pub(crate) fn lives(&self) -> bool {
        // One that has ended and that nobody asks about has no memory.
        fs::read_to_string(format!("/proc/{}/statm", self.0)).is_ok_and(|told| !told.starts_with("0 "))
    }

    /// Tells it to stop, and waits for that.
    pub(crate) async fn terminate(&self) {
        signal(self.0, "TERM").await;
        eventually("its end", || !self.lives()).await;
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        let _ = std::process::Command::new("sh").args(["-c", &format!("kill -KILL {} 2>&1", self.0)]).output();
    }
}

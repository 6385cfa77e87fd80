//! One thread for each core, each with a runtime of its own.
//!
//! Covers starting them, telling them to stop, and waiting for them. A connection stays with the worker that accepted
//! it, and so do its requests and what they need upstream: nothing is stolen, and nothing is shared but counts.

mod give_back;
mod pulse;
mod tasks;

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

pub(crate) use self::give_back::give_back;
pub(crate) use self::pulse::{Beat, LOOK_EVERY, Life, Watch, pulse};
pub(crate) use self::tasks::tell_tasks;

/// How many workers there are where nobody says: one for each core that this process may use when it is first asked. Later
/// it may use others, and a configuration that says nothing of it still says the same.
#[must_use]
pub fn cores() -> NonZeroUsize {
    static CORES: OnceLock<NonZeroUsize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// The threads that carry the traffic.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    threads: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Workers {
    /// Runs this on a thread of its own, to its end.
    ///
    /// # Errors
    ///
    /// The system gives no thread, or no runtime.
    pub(crate) fn start<F>(&mut self, work: F) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let name = format!("worker-{}", self.threads.len());
        let thread = thread::Builder::new().name(name).spawn(move || {
            // Dropped with the thread, whatever ends it.
            let _end: oneshot::Sender<()> = end;
            drive(runtime, work);
        })?;
        self.threads.push(Worker { thread, ended });
        Ok(())
    }

    /// Waits until every worker has ended. A panic that ended one goes on here, once all have.
    ///
    /// Dropping the future leaves them running.
    pub(crate) async fn ended(self) {
        let mut threads = Vec::new();
        for Worker { thread, ended } in self.threads {
            // A sender that is gone is how it is told.
            let _ = ended.await;
            threads.push(thread);
        }
        for thread in threads {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}

/// Runs this to its end, and then waits for nobody who blocks a thread, such as the system that looks for a name: that
/// can take half a minute, and nobody wants the answer.
pub(crate) fn drive<F: Future>(runtime: Runtime, work: F) -> F::Output {
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work)));
    runtime.shutdown_background();
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A look-up of a name that nobody answers is one: it can take half a minute.
    #[tokio::test]
    async fn a_thread_that_blocks_keeps_no_worker_from_ending() {
        let (release, released) = mpsc::channel::<()>();
        let mut workers = Workers::default();
        let block = move || released.recv_timeout(Duration::from_secs(10)).map_err(|_| "nobody released it");
        let (tell, told) = mpsc::channel();
        workers
            .start(async move {
                tokio::task::spawn_blocking(move || tell.send(block()));
            })
            .unwrap();
        workers.ended().await;
        release.send(()).expect("it still blocks");
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Ok(Ok(())));
    }

    #[tokio::test]
    async fn each_worker_is_a_thread_of_its_own_and_all_are_waited_for() {
        let (tell, told) = mpsc::channel();
        let mut workers = Workers::default();
        for _ in 0..3 {
            let tell = tell.clone();
            workers
                .start(async move { tell.send(thread::current().name().map(str::to_owned)).unwrap() })
                .unwrap();
        }
        workers.ended().await;
        drop(tell);
        let mut names: Vec<_> = told.iter().flatten().collect();
        names.sort_unstable();
        assert_eq!(names, ["worker-0", "worker-1", "worker-2"]);
    }
}

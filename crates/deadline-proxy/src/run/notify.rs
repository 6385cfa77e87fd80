//! What the service manager is told: that it is ready, reloads, stops, is alive.
//!
//! Covers the protocol of systemd (`NOTIFY_SOCKET`, `WATCHDOG_USEC`), which others speak too. Where nobody has asked to be
//! told, nothing is done. Does not decide when: that is of whoever knows. A manager that does not read keeps the main
//! thread waiting, as it does every service; the traffic goes on.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// Tells a message of several lines.
type Tell = dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + Send + Sync;

/// A way to the service manager. A clone is the same.
#[derive(Clone)]
pub(crate) struct Notify {
    tell: Arc<Tell>,
    /// How long it may hear nothing.
    patience: Option<Duration>,
    has_failed: Arc<AtomicBool>,
    /// Another process speaks from here on.
    is_over: Arc<AtomicBool>,
}

impl Notify {
    /// To the one that the environment names, if any.
    pub(crate) fn from_env() -> Self {
        let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
        Self::to(sd_notify::notify, patience)
    }

    /// To somebody who wants to hear that all is well within every `patience`, or does not.
    pub(super) fn to<T>(tell: T, patience: Option<Duration>) -> Self
    where
        T: Fn(&[NotifyState<'_>]) -> io::Result<()> + Send + Sync + 'static,
    {
        Self { tell: Arc::new(tell), patience, has_failed: Arc::default(), is_over: Arc::default() }
    }

    /// It serves, from the first time on, and again after a reload. `status` is a line for people.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// It reads its configuration again; [`ready`](Self::ready) has to follow, whatever came of it.
    pub(crate) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now, NotifyState::Status("reloading")]),
            Err(error) => self.failed(&error),
        }
    }

    /// It stops as soon as what is under way has ended.
    pub(crate) fn stopping(&self) {
        self.send(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    }

    /// From here on this process is the one that it looks after, and the one that says how it is: this one says nothing
    /// more, least of all that it is alive.
    pub(crate) fn handed_over(&self, process: u32) {
        self.send(&[NotifyState::MainPid(process)]);
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// A line for people, and nothing else.
    pub(crate) fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(status)]);
    }

    /// All is well.
    pub(super) fn alive(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// How often it wants to hear that all is well: twice as often as it has to. `None` where it does not.
    pub(super) fn alive_every(&self) -> Option<Duration> {
        self.patience.map(|patience| patience / 2)
    }

    fn send(&self, message: &[NotifyState<'_>]) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = (self.tell)(message) {
            self.failed(&error);
        }
    }

    /// Serving does not depend on it. Told once: the next attempts fail alike.
    fn failed(&self, error: &io::Error) {
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            // WARN: the service manager may take us for dead.
            tracing::warn!("NOTIFY_SOCKET: the service manager cannot be told how we are: {error}");
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What was told, a line each.
    #[derive(Clone, Debug, Default)]
    pub(in crate::run) struct Heard(Arc<Mutex<Vec<String>>>);

    impl Heard {
        pub(in crate::run) fn notify(&self, patience: Option<Duration>) -> Notify {
            let heard = self.clone();
            let tell = move |message: &[NotifyState<'_>]| {
                heard.0.lock().unwrap().extend(message.iter().map(ToString::to_string));
                Ok(())
            };
            Notify::to(tell, patience)
        }

        pub(in crate::run) fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    #[test]
    fn each_turn_of_its_life_is_told_in_the_words_of_the_protocol() {
        let heard = Heard::default();
        let notify = heard.notify(None);
        notify.ready("serving");
        assert_eq!(heard.take(), ["READY=1", "STATUS=serving"]);
        notify.stopping();
        assert_eq!(heard.take(), ["STOPPING=1", "STATUS=draining"]);
        notify.status("worker-0: ended");
        assert_eq!(heard.take(), ["STATUS=worker-0: ended"]);
        notify.alive();
        assert_eq!(heard.take(), ["WATCHDOG=1"]);
        notify.reloading();
        let told = heard.take();
        let instant = told[1].strip_prefix("MONOTONIC_USEC=").and_then(|instant| instant.parse::<u64>().ok());
        assert_eq!((told[0].as_str(), instant.is_some_and(|instant| instant > 0)), ("RELOADING=1", true), "{told:?}");
    }

    /// The next one has said how it is by then, and its watchdog is to be fed by it alone.
    #[test]
    fn one_that_has_handed_over_says_nothing_more() {
        let heard = Heard::default();
        let notify = heard.notify(None);
        notify.clone().handed_over(4711);
        assert_eq!(heard.take(), ["MAINPID=4711"]);
        notify.alive();
        notify.status("worker-0: ended");
        notify.stopping();
        assert_eq!(heard.take(), [""; 0]);
    }

    #[test]
    fn it_is_alive_twice_as_often_as_it_has_to_be() {
        let every = |patience| Heard::default().notify(patience).alive_every();
        assert_eq!(every(Some(Duration::from_secs(10))), Some(Duration::from_secs(5)));
        assert_eq!(every(None), None);
    }

    #[test]
    fn a_manager_that_is_gone_keeps_nothing_from_going_on() {
        let notify = Notify::to(|_| Err(io::ErrorKind::ConnectionRefused.into()), None);
        notify.ready("serving");
        assert!(notify.has_failed.load(Ordering::Relaxed));
        notify.stopping();
    }
}

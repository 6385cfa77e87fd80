//! The signals that it is told by.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGTERM or SIGINT: to stop.
    Stop,
    /// SIGHUP: to read the configuration again.
    Reload,
    /// SIGUSR2: to let the program, as it lies there now, take its place.
    HandOver,
}

/// Signals, from here on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    second: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Error> {
        let open = |kind| signal(kind).map_err(Error::Signals);
        Ok(Self {
            terminate: open(SignalKind::terminate())?,
            interrupt: open(SignalKind::interrupt())?,
            hangup: open(SignalKind::hangup())?,
            second: open(SignalKind::user_defined2())?,
        })
    }

    /// The next one. Several alike that come before anybody asks are one. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            // Who wants it to stop waits for nothing else.
            biased;
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.second.recv() => Told::HandOver,
        }
    }

    /// The next one that asks to stop. Others wait for who asks for them. Dropping the future loses none.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{self, Command};

    fn send(name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", process::id())]).status();
        assert!(sent.unwrap().success());
    }

    /// One that comes while something is under way which only a stop ends.
    #[tokio::test]
    async fn a_reload_that_is_asked_for_meanwhile_waits_for_who_asks() {
        let mut signals = Signals::new().unwrap();
        send("HUP");
        tokio::select! {
            () = signals.stop() => panic!("nobody has said so"),
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
        }
        assert_eq!(signals.next().await, Told::Reload);
        send("HUP");
        send("TERM");
        signals.stop().await;
        assert_eq!(signals.next().await, Told::Reload);
    }
}

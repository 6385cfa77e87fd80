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

    /// The next one that asks to stop.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}

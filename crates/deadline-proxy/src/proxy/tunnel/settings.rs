//! What tunnels are held to.

use std::fmt;
use std::time::Duration;

use tokio::sync::Semaphore;
use tower_deadline::UpgradePolicy;

/// As Envoy has it.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

/// As many as connections: a tunnel over HTTP/1.1 is one that is counted there no more.
const MOST: usize = 16_384;

/// What a route's tunnels are held to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What may be switched to; nothing by default. [`HopByHopLayer`](tower_deadline::HopByHopLayer) is given the same.
    pub upgrades: UpgradePolicy,
    /// How long a tunnel lasts in which no byte goes either way. Five minutes by default: servers of WebSocket ping
    /// every 20 to 60 seconds, so a tunnel in which several pings are missing has lost a side.
    pub idle_limit: Duration,
    /// How long a tunnel lasts at most, from the answer to its handshake. None by default: there are tunnels that are
    /// meant to stay.
    pub lifetime_limit: Option<Duration>,
    /// How many there may be at a time, handshakes included, of all workers. 16 384 by default. No other limit counts
    /// them: each holds a connection to the upstream that is the pool's no more, and over HTTP/1.1 the client's too.
    pub most: usize,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.idle_limit.is_zero() {
            return Err(Error::NoIdle);
        }
        if self.lifetime_limit.is_some_and(|limit| limit.is_zero()) {
            return Err(Error::NoLifetime);
        }
        if (1..=Semaphore::MAX_PERMITS).contains(&self.most) { Ok(()) } else { Err(Error::Most) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { upgrades: UpgradePolicy::default(), idle_limit: IDLE_LIMIT, lifetime_limit: None, most: MOST }
    }
}

/// Why tunnels cannot be held to what was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No tunnel could ever be idle.
    NoIdle,
    /// No tunnel could ever live.
    NoLifetime,
    /// No tunnel could ever be opened, or more than can be counted.
    Most,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoIdle => "idle limit of tunnels: a duration above zero is expected, such as 5m",
            Self::NoLifetime => "lifetime limit of tunnels: a duration above zero is expected, such as 24h, or none",
            Self::Most => return write!(f, "tunnels at a time: 1 to {} is expected", Semaphore::MAX_PERMITS),
        })
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_nothing_is_refused_by_its_name() {
        assert_eq!(Settings::default().check(), Ok(()));
        let no_idle = Settings { idle_limit: Duration::ZERO, ..Settings::default() };
        assert!(
            no_idle
                .check()
                .is_err_and(|error| error.to_string().starts_with("idle limit of tunnels: a duration"))
        );
        let no_life = Settings { lifetime_limit: Some(Duration::ZERO), ..Settings::default() };
        for most in [0, usize::MAX] {
            let told = Settings { most, ..Settings::default() }.check().unwrap_err().to_string();
            assert!(told.starts_with("tunnels at a time: 1 to "), "{told}");
        }
        assert!(no_life.check().is_err_and(|error| error.to_string().starts_with("lifetime limit of tunnels: a")));
    }
}

//! What tunnels are held to.

use std::fmt;
use std::time::Duration;

use tower_deadline::UpgradePolicy;

/// As Envoy has it.
const IDLE_LIMIT: Duration = Duration::from_secs(300);

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
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.idle_limit.is_zero() {
            return Err(Error::NoIdle);
        }
        if self.lifetime_limit.is_some_and(|limit| limit.is_zero()) { Err(Error::NoLifetime) } else { Ok(()) }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { upgrades: UpgradePolicy::default(), idle_limit: IDLE_LIMIT, lifetime_limit: None }
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoIdle => "idle limit of tunnels: a duration above zero is expected, such as 5m",
            Self::NoLifetime => "lifetime limit of tunnels: a duration above zero is expected, such as 24h, or none",
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
        assert!(no_life.check().is_err_and(|error| error.to_string().starts_with("lifetime limit of tunnels: a")));
    }
}

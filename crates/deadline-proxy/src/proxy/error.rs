//! What keeps a proxy from being made.

use std::fmt;

use super::tunnel;
use crate::attempt::PlanError;
use crate::forward::NoToken;
use crate::upstream;

/// Why there is no proxy of these settings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Of its upstream.
    Upstream(upstream::Error),
    /// Of its tunnels.
    Tunnel(tunnel::Error),
    /// Of its name.
    Name(NoToken),
    /// Of its budget of retries.
    Retries(PlanError),
    /// Of the upstreams that a route calls.
    Route {
        /// What the route is called.
        name: String,
        /// What is wrong with it.
        error: PlanError,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(error) => error.fmt(f),
            Self::Tunnel(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::Retries(error) => error.fmt(f),
            Self::Route { name, error } => write!(f, "route {name}: {error}"),
        }
    }
}

// Each says all there is to say: it has no cause beside what it was made of.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Upstream(error) => error.source(),
            Self::Tunnel(error) => error.source(),
            Self::Name(error) => error.source(),
            Self::Retries(error) | Self::Route { error, .. } => error.source(),
        }
    }
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(error)
    }
}

impl From<tunnel::Error> for Error {
    fn from(error: tunnel::Error) -> Self {
        Self::Tunnel(error)
    }
}

impl From<NoToken> for Error {
    fn from(error: NoToken) -> Self {
        Self::Name(error)
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        Self::Retries(error)
    }
}

//! Everything that `run` is told, as plain data.
//!
//! The command line fills it. What each part means, and why its default is what it is, stands at that part.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::{access, limits, listen, proxy, traces};

/// What a process is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests come in; at least one.
    pub listeners: Vec<listen::Settings>,
    /// Where an operator asks.
    pub admin: SocketAddr,
    /// How many threads carry the traffic.
    pub workers: NonZeroUsize,
    /// What a client may take of the process.
    pub limits: limits::Settings,
    /// How long a stop waits for what is under way.
    pub drain_limit: Duration,
    /// What is written of requests.
    pub access: access::Settings,
    /// How many of the requests that were stopped last are kept, for who looks.
    pub expired: usize,
    /// Where spans go; nowhere without.
    pub traces: Option<traces::Settings>,
    /// What happens to a request between a listener and an upstream.
    pub proxy: proxy::Settings,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::upstream;

    /// What is told on a command line that says only where requests go.
    pub(crate) fn settings() -> Settings {
        let upstream = upstream::Settings::new(["http://orders.internal".parse().unwrap()]);
        Settings {
            listeners: vec![listen::Settings::new("127.0.0.1:8080".parse().unwrap())],
            admin: ([127, 0, 0, 1], 9901).into(),
            workers: NonZeroUsize::MIN,
            limits: limits::Settings::default(),
            drain_limit: Duration::from_secs(30),
            access: access::Settings::default(),
            expired: access::MOST,
            traces: None,
            proxy: proxy::Settings::new(upstream),
        }
    }
}

//! What is refused before it comes to an upstream.

use metrics::{Unit, counter, describe_counter};

use crate::log;

const REFUSALS: &str = "deadline_proxy_refusals_total";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_counter!(REFUSALS, Unit::Count, "What was refused before it came to an upstream, by the reason.");
}

/// Why something was refused before it came to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// The message has a shape by which two parties could read different requests (R35).
    Framing,
    /// A peer who must send a PROXY header sent something else.
    ProxyHeader,
    /// No TLS session came about.
    Tls,
    /// A head has more fields than it may have.
    HeadCount,
    /// A head that had begun took too long.
    HeadTime,
    /// A request body came too slowly.
    BodyRate,
    /// Too many requests of a route are under way.
    InFlight,
    /// Every connection to the upstream is in use, and no more requests may wait for one.
    PoolFull,
    /// There are too many connections; this one was told so.
    Connections,
    /// There are too many connections, and too many that have to be told so.
    Dropped,
    /// A request to upgrade is not what its protocol asks of one (R32).
    Handshake,
    /// An extended CONNECT is for a protocol that is not carried (R32).
    Protocol,
    /// As many tunnels are open as there may be.
    Tunnels,
    /// Whoever serves stops, and begins nothing that lasts.
    Shutdown,
    /// The request comes by this proxy again and again.
    Loop,
    /// The path could be read as another.
    Path,
    /// No route takes the request.
    NoRoute,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Framing => "framing",
            Self::ProxyHeader => "proxy_header",
            Self::Tls => "tls",
            Self::HeadCount => "head_count",
            Self::HeadTime => "head_time",
            Self::BodyRate => "body_rate",
            Self::InFlight => "in_flight",
            Self::PoolFull => "pool_full",
            Self::Connections => "connections",
            Self::Dropped => "connections_dropped",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
            Self::Tunnels => "tunnels",
            Self::Shutdown => "shutdown",
            Self::Loop => "loop",
            Self::Path => "path",
            Self::NoRoute => "no_route",
        }
    }

    /// Whether whoever refuses tells more of it.
    fn is_told_elsewhere(self) -> bool {
        matches!(self, Self::ProxyHeader | Self::Tls | Self::PoolFull)
    }
}

/// Something was refused. It is told, too, where nobody else does.
pub(crate) fn refused(refusal: Refusal) {
    counter!(REFUSALS, "reason" => refusal.as_str()).increment(1);
    if !refusal.is_told_elsewhere() {
        log::refused(refusal.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;

    #[test]
    fn a_refusal_is_counted_by_its_reason() {
        let told = told(|| {
            refused(Refusal::HeadTime);
            refused(Refusal::HeadTime);
        });
        assert!(told.contains("deadline_proxy_refusals_total{reason=\"head_time\"} 2\n"), "{told}");
        assert!(told.contains("# HELP deadline_proxy_refusals_total What was refused"), "{told}");
    }
}

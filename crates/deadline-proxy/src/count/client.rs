//! Clients: their connections, their requests, their tunnels.

use http::{StatusCode, Version};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

const ACCEPTED: &str = "deadline_proxy_connections_accepted_total";
const UNACCEPTED: &str = "deadline_proxy_accept_failures_total";
const OPEN: &str = "deadline_proxy_connections_open";
const REQUESTS: &str = "deadline_proxy_requests_total";
const IN_FLIGHT: &str = "deadline_proxy_requests_in_flight";
const STOPPED: &str = "deadline_proxy_requests_stopped_total";
const TRAILERS: &str = "deadline_proxy_trailers_dropped_total";
const TUNNELS_OPENED: &str = "deadline_proxy_tunnels_opened_total";
const TUNNELS_ENDED: &str = "deadline_proxy_tunnels_ended_total";

/// Tells what each of them is.
pub(super) fn describe() {
    describe_counter!(ACCEPTED, Unit::Count, "Connections of clients that were let in.");
    describe_counter!(UNACCEPTED, Unit::Count, "Times that no connection could be accepted, for lack of descriptors.");
    describe_gauge!(OPEN, Unit::Count, "Connections of clients that are open.");
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests by version and class of status; `none`: the client left before there was one."
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests whose answer has not ended.");
    describe_counter!(STOPPED, Unit::Count, "Requests that were under way when the limit of a drain had passed.");
    describe_counter!(
        TRAILERS,
        Unit::Count,
        "Answers of whose trailers a client did not get all: it takes none, or over HTTP/1.1 the head names them not."
    );
    describe_counter!(TUNNELS_OPENED, Unit::Count, "Tunnels that were opened.");
    describe_counter!(TUNNELS_ENDED, Unit::Count, "Tunnels that have ended, by what ended them.");
}

/// A connection was let in, to be served or to be told that it is not.
pub(crate) fn connection_opened() {
    counter!(ACCEPTED).increment(1);
    gauge!(OPEN).increment(1);
}

/// A connection could not be accepted: the process has no more file descriptors, as a rule.
pub(crate) fn accept_failed() {
    counter!(UNACCEPTED).increment(1);
}

/// It is closed.
pub(crate) fn connection_closed() {
    gauge!(OPEN).decrement(1);
}

/// A request was stopped because the process ends.
pub(crate) fn stopped_by_shutdown() {
    counter!(STOPPED).increment(1);
}

/// An answer had trailers that its client does not get.
pub(crate) fn trailers_dropped() {
    counter!(TRAILERS).increment(1);
}

/// Which versions and statuses are told apart, in the order of [`Requests`].
const VERSIONS: [&str; 3] = ["1.0", "1.1", "2"];
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counts of requests, looked up once: each request costs two additions.
pub(crate) struct Requests {
    in_flight: Gauge,
    answered: [[Counter; STATUSES.len()]; VERSIONS.len()],
}

impl Requests {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        let count = |version, status| counter!(REQUESTS, "version" => version, "status" => status);
        let answered = VERSIONS.map(|version| STATUSES.map(|status| count(version, status)));
        Self { in_flight: gauge!(IN_FLIGHT), answered }
    }

    /// A request has come.
    pub(crate) fn came(&self) {
        self.in_flight.increment(1);
    }

    /// Its answer has a head, or there will be none.
    pub(crate) fn answered(&self, version: Version, status: Option<StatusCode>) {
        let version = match version {
            Version::HTTP_2 => 2,
            Version::HTTP_11 => 1,
            _ => 0,
        };
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100).min(STATUSES.len() - 1));
        self.answered[version][class].increment(1);
    }

    /// Nothing of it is left.
    pub(crate) fn went(&self) {
        self.in_flight.decrement(1);
    }
}

/// The upstream has switched protocols, and a tunnel is open.
pub(crate) fn tunnel_opened() {
    counter!(TUNNELS_OPENED).increment(1);
}

/// A tunnel has ended, for one of the few reasons there are.
pub(crate) fn tunnel_ended(reason: &'static str) {
    counter!(TUNNELS_ENDED, "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;

    #[test]
    fn connections_and_requests_come_and_go() {
        let told = told(|| {
            connection_opened();
            connection_opened();
            connection_closed();
            let requests = Requests::new();
            requests.came();
            requests.came();
            requests.answered(Version::HTTP_2, Some(StatusCode::NO_CONTENT));
            requests.answered(Version::HTTP_10, None);
            requests.answered(Version::HTTP_11, StatusCode::from_u16(999).ok());
            requests.went();
        });
        for line in [
            "deadline_proxy_connections_accepted_total 2",
            "deadline_proxy_connections_open 1",
            "deadline_proxy_requests_in_flight 1",
            "deadline_proxy_requests_total{version=\"2\",status=\"2xx\"} 1",
            "deadline_proxy_requests_total{version=\"1.0\",status=\"none\"} 1",
            "deadline_proxy_requests_total{version=\"1.1\",status=\"5xx\"} 1",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
    }
}

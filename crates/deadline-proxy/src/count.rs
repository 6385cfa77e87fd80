//! What the proxy counts, beside what the layers count. The only file of this crate that names the `metrics` facade.
//!
//! Covers the names, labels and help of every count, and their collection for Prometheus. Labels are bounded sets:
//! never a path, never an address. Does not decide when to count.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::{StatusCode, Version};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const REFUSALS: &str = "deadline_proxy_refusals_total";
const ACCEPTED: &str = "deadline_proxy_connections_accepted_total";
const UNACCEPTED: &str = "deadline_proxy_accept_failures_total";
const OPEN: &str = "deadline_proxy_connections_open";
const REQUESTS: &str = "deadline_proxy_requests_total";
const IN_FLIGHT: &str = "deadline_proxy_requests_in_flight";
const TRAILERS: &str = "deadline_proxy_trailers_dropped_total";
const RELOADS: &str = "deadline_proxy_certificate_reloads_total";
const TUNNELS_OPENED: &str = "deadline_proxy_tunnels_opened_total";
const TUNNELS_ENDED: &str = "deadline_proxy_tunnels_ended_total";
const EJECTIONS: &str = "deadline_proxy_ejections_total";
const LINES_LOST: &str = "deadline_proxy_access_log_dropped_total";
const HEALTH_CHANGES: &str = "deadline_proxy_health_changes_total";
const ATTEMPTS: &str = "deadline_proxy_attempts_total";
const WITHHELD: &str = "deadline_proxy_retries_withheld_total";
const AMPLIFICATION: &str = "deadline_proxy_retry_amplification";
const RETRY_ALARM: &str = "deadline_proxy_retry_alarm";

/// Upper bounds of histograms of seconds: from a millisecond to the ten minutes that a report may take.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

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

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
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
        })
    }
}

/// Something was refused.
pub(crate) fn refused(refusal: Refusal) {
    counter!(REFUSALS, "reason" => refusal.to_string()).increment(1);
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

/// An answer had trailers, and its client takes none.
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

/// What was counted, to be read.
#[derive(Clone, Debug)]
pub(crate) struct Collected(PrometheusHandle);

impl Collected {
    /// In the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        self.0.render()
    }

    /// Folds what was measured since the last time. Has to be called every few seconds, whether or not anybody reads:
    /// until then each measurement of a histogram is kept.
    pub(crate) fn fold(&self) {
        self.0.run_upkeep();
    }
}

/// Counts for Prometheus from here on, in the whole process. Another call gives the same.
///
/// # Errors
///
/// Where something else already counts in this process.
pub(crate) fn install() -> Result<Collected, BuildError> {
    static INSTALLED: Mutex<Option<Collected>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(collected) = installed.as_ref() {
        return Ok(collected.clone());
    }
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?;
    let collected = Collected(builder.install_recorder()?);
    describe();
    *installed = Some(collected.clone());
    Ok(collected)
}

fn describe() {
    describe_counter!(REFUSALS, Unit::Count, "What was refused before it came to an upstream, by the reason.");
    describe_counter!(ACCEPTED, Unit::Count, "Connections of clients that were let in.");
    describe_counter!(UNACCEPTED, Unit::Count, "Times that no connection could be accepted, for lack of descriptors.");
    describe_gauge!(OPEN, Unit::Count, "Connections of clients that are open.");
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests by version and class of status; `none`: the client left before there was one."
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests whose answer has not ended.");
    describe_counter!(TRAILERS, Unit::Count, "Answers whose trailers their client does not take.");
    describe_counter!(RELOADS, Unit::Count, "Certificates that were read again, by whether they could be used.");
    describe_counter!(TUNNELS_OPENED, Unit::Count, "Tunnels that were opened.");
    describe_counter!(TUNNELS_ENDED, Unit::Count, "Tunnels that have ended, by what ended them.");
    describe_counter!(EJECTIONS, Unit::Count, "Times that an endpoint was left out because it failed.");
    describe_counter!(LINES_LOST, Unit::Count, "Lines of the access log that were not written, by the reason.");
    describe_counter!(HEALTH_CHANGES, Unit::Count, "Changes of what an endpoint was found to be when asked.");
    describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Attempts at an upstream: the first of a request, another upstream's fallback, or a retry."
    );
    describe_counter!(WITHHELD, Unit::Count, "Attempts that were not made though the last had failed, by the reason.");
    describe_gauge!(AMPLIFICATION, Unit::Count, "Attempts for each request that an upstream got in the last minute.");
    describe_gauge!(
        RETRY_ALARM,
        Unit::Count,
        "Whether an upstream is retried too much: 1 from 1.3 attempts a request on, 2 from 2.8."
    );
}

/// What is told of what `count` counts, whatever other tests of this process do.
#[cfg(test)]
pub(crate) fn told(count: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        count();
    });
    recorder.handle().render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_by_its_reason() {
        let told = told(|| {
            refused(Refusal::HeadTime);
            refused(Refusal::HeadTime);
        });
        assert!(told.contains("deadline_proxy_refusals_total{reason=\"head_time\"} 2\n"), "{told}");
        assert!(told.contains("# HELP deadline_proxy_refusals_total What was refused"), "{told}");
    }

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

    #[test]
    fn a_second_installation_is_the_first() {
        let (first, second) = (install().unwrap(), install().unwrap());
        first.fold();
        assert!(second.text().is_ascii());
    }
}

/// What a look at the files of certificates came to, where they say something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// They are in use.
    Renewed,
    /// They cannot be used, and the old ones stay. Counted at each look, so that it is seen for as long as it lasts.
    Refused,
}

/// Certificates were read again.
pub(crate) fn reloaded(reload: Reload) {
    let outcome = match reload {
        Reload::Renewed => "renewed",
        Reload::Refused => "refused",
    };
    counter!(RELOADS, "outcome" => outcome).increment(1);
}

/// The upstream has switched protocols, and a tunnel is open.
pub(crate) fn tunnel_opened() {
    counter!(TUNNELS_OPENED).increment(1);
}

/// A tunnel has ended, for one of the few reasons there are.
pub(crate) fn tunnel_ended(reason: &'static str) {
    counter!(TUNNELS_ENDED, "reason" => reason).increment(1);
}

/// An endpoint of this upstream is left out for a while.
pub(crate) fn ejected(upstream: &str) {
    counter!(EJECTIONS, "upstream" => upstream.to_owned()).increment(1);
}

/// The verdict of the health checks on an endpoint of this upstream changed to this one.
pub(crate) fn health_changed(upstream: &str, verdict: &'static str) {
    counter!(HEALTH_CHANGES, "upstream" => upstream.to_owned(), "to" => verdict).increment(1);
}

/// What kind of an attempt it is, in the order of [`Attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The first of its request.
    First,
    /// Another upstream has passed it on.
    Fallback,
    /// The same upstream was asked before.
    Retry,
}

/// Why an attempt is not made that would have been, in the order of [`Attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// The upstream is asked to bear enough.
    Budget,
    /// There is no time for it.
    Deadline,
    /// It could do what was done already.
    Unsafe,
    /// The body of the request was not kept.
    Body,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the retry budget of the upstream is spent",
            Self::Deadline => "there is no time left for it",
            Self::Unsafe => "it may have been done, and is not to be done twice",
            Self::Body => "its body was not kept",
        })
    }
}

/// The counts of attempts at one upstream, looked up once.
pub(crate) struct Attempts {
    asked: [Counter; 3],
    withheld: [Counter; 4],
    amplification: Gauge,
    alarm: Gauge,
}

impl Attempts {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new(upstream: &str) -> Self {
        let asked = |kind| counter!(ATTEMPTS, "upstream" => upstream.to_owned(), "kind" => kind);
        let withheld = |reason| counter!(WITHHELD, "upstream" => upstream.to_owned(), "reason" => reason);
        Self {
            asked: ["first", "fallback", "retry"].map(asked),
            withheld: ["budget", "deadline", "unsafe", "body"].map(withheld),
            amplification: gauge!(AMPLIFICATION, "upstream" => upstream.to_owned()),
            alarm: gauge!(RETRY_ALARM, "upstream" => upstream.to_owned()),
        }
    }

    /// The upstream is asked.
    pub(crate) fn asked(&self, kind: Attempt) {
        self.asked[kind as usize].increment(1);
    }

    /// It is not asked again, for this reason.
    pub(crate) fn withheld(&self, reason: Withheld) {
        self.withheld[reason as usize].increment(1);
    }

    /// How often it is asked for each request, and whether that is too much.
    pub(crate) fn amplified(&self, amplification: f64, alarm: u8) {
        self.amplification.set(amplification);
        self.alarm.set(alarm);
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

/// The counts of what the access log has not written, looked up once.
#[derive(Clone)]
pub(crate) struct LinesLost {
    dropped: Counter,
    failed: Counter,
}

impl LinesLost {
    /// Counts into the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        let count = |reason| counter!(LINES_LOST, "reason" => reason);
        Self { dropped: count("full"), failed: count("failed") }
    }

    /// So many have been dropped by now, because too many waited.
    pub(crate) fn dropped(&self, by_now: usize) {
        // Where a number of this width ends, nobody counts any more.
        self.dropped.absolute(u64::try_from(by_now).unwrap_or(u64::MAX));
    }

    /// One could not be written.
    pub(crate) fn failed(&self) {
        self.failed.increment(1);
    }
}

impl fmt::Debug for LinesLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinesLost")
    }
}

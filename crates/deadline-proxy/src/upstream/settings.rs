//! What an upstream is told.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Error, Target};

/// What a [`Cluster`](super::Cluster) is told. Everything but the targets has a default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// What it is called in messages and counts.
    pub name: String,
    /// Where requests go; at least one.
    pub targets: Vec<Target>,
    /// Which version of HTTP is spoken.
    pub http: Protocol,
    /// Which endpoint a request goes to.
    pub balance: Balance,
    /// How targets that speak TLS are verified.
    pub tls: ClientTls,
    /// The most connections to one endpoint, over all workers. Default 1024, as Envoy has it: below it a backend with
    /// a few hundred threads queues by itself, above it one runs out of descriptors.
    pub connections: usize,
    /// The most requests at once on one HTTP/2 connection, where the peer allows more. Default 100, what RFC 9113
    /// asks every server to allow.
    pub streams: usize,
    /// The most requests that wait for a connection, over all workers. Default 1024, as Envoy has it; zero: a request
    /// for which there is no room fails at once.
    pub waiting: usize,
    /// How long an idle connection is kept. Default 4 s, shorter than servers keep theirs (5 s are common): a
    /// connection that is taken while the upstream closes it can cost the request.
    pub idle_limit: Duration,
    /// The most that connecting takes, with TLS and the preface. Default 5 s: a lost SYN is sent again after 1 s and
    /// after 3 s.
    pub connect_limit: Duration,
    /// How often names are asked for again. Default 30 s, the shortest life that addresses are commonly given.
    pub resolve_every: Duration,
    /// When an endpoint that fails is left out for a while.
    pub ejection: Ejection,
    /// Whether endpoints are asked for their health.
    pub health: Option<HealthCheck>,
    /// Fields that are set on every request that goes there, in the place of the client's own of that name. For what
    /// the upstream must know and clients must not, such as a token.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "upstream".to_owned(),
            targets: Vec::new(),
            http: Protocol::default(),
            balance: Balance::default(),
            tls: ClientTls::default(),
            connections: 1024,
            streams: 100,
            waiting: 1024,
            idle_limit: Duration::from_secs(4),
            connect_limit: Duration::from_secs(5),
            resolve_every: Duration::from_secs(30),
            ejection: Ejection::default(),
            health: None,
            fields: Vec::new(),
        }
    }
}

impl Settings {
    /// These targets, and the defaults.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        Self { targets: targets.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.targets.is_empty() {
            return Err(Error::invalid(self, "targets", "at least one is expected"));
        }
        for (what, number) in [("connections", self.connections), ("streams", self.streams)] {
            if number == 0 {
                return Err(Error::invalid(self, what, "at least 1 is expected"));
            }
        }
        let limits = [
            ("idle_limit", self.idle_limit),
            ("connect_limit", self.connect_limit),
            ("resolve_every", self.resolve_every),
        ];
        for (what, limit) in limits {
            if limit.is_zero() {
                return Err(Error::invalid(self, what, "a duration above zero is expected"));
            }
        }
        self.ejection.validate(self)?;
        self.health.as_ref().map_or(Ok(()), |health| health.validate(self))
    }
}

/// Which version of HTTP is spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC by HTTP/2, everything else by HTTP/1.1; over TLS what ALPN chooses, and gRPC needs HTTP/2.
    #[default]
    Auto,
    /// HTTP/1.1, whatever comes.
    Http1,
    /// HTTP/2, without TLS with prior knowledge. A request for an upgrade goes by HTTP/1.1 all the same.
    Http2,
}

/// Which endpoint a request goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Of two that are chosen at random, the one with fewer requests in flight, over all workers.
    LeastLoaded,
}

/// How a target that speaks TLS is verified, and what it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientTls {
    /// A PEM file with the authorities that are trusted, instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM files with the certificate chain that is shown to the target, and with its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The name that is asked for (SNI) and verified, instead of the target's host.
    pub name: Option<String>,
}

impl ClientTls {
    /// The files that it names.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> + use<'_> {
        let (chain, key) = self.certificate.as_ref().map(|(chain, key)| (chain, key)).unzip();
        [self.ca.as_ref(), chain, key].into_iter().flatten().cloned()
    }
}

/// When an endpoint that fails is left out for a while.
///
/// Failures are connections that cannot be had, that break off before a head, answers 502, 503 and 504, and silence:
/// where the limit of a try or the deadline passes without a head, and the endpoint had the whole request for at least
/// half of what that limit or the policy's default is set to (for a second, where neither is). A client that leaves is
/// none, nor is a shorter deadline that passes, unless a connection was being made for a second by then; nor is a 504
/// that names a deadline, which we set, nor a body of the client's that fails, nor a version of HTTP that an endpoint
/// which answers in the other one does not speak.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ejection {
    /// How many failures in a row; 0 never ejects. Default 5: one restart of a backend costs a few requests.
    pub failures: u32,
    /// For how long, times how often it was ejected already, up to ten times. Default 30 s, a usual restart.
    pub base: Duration,
    /// The most of the endpoints that may be left out, from 0 to 1. Default a half: the others have to carry the load.
    pub max_share: f64,
}

impl Default for Ejection {
    fn default() -> Self {
        Self { failures: 5, base: Duration::from_secs(30), max_share: 0.5 }
    }
}

impl Ejection {
    fn validate(&self, settings: &Settings) -> Result<(), Error> {
        if self.failures > 0 && self.base.is_zero() {
            return Err(Error::invalid(settings, "ejection.base", "a duration above zero is expected"));
        }
        if !(0.0..=1.0).contains(&self.max_share) {
            return Err(Error::invalid(settings, "ejection.max_share", "a share from 0 to 1 is expected"));
        }
        Ok(())
    }
}

/// How endpoints are asked for their health: by `GET`, over the upstream's protocol and TLS. A 2xx is well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What is asked for. Default `/healthz`.
    pub path: String,
    /// How often. Default 5 s.
    pub every: Duration,
    /// The most that one answer takes. Default 2 s, so that an answer never meets the next question.
    pub limit: Duration,
    /// How many answers in a row make an endpoint unhealthy. Default 3: one lost packet is no illness.
    pub failures: u32,
    /// How many make it healthy again. Default 2.
    pub successes: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/healthz".to_owned(),
            every: Duration::from_secs(5),
            limit: Duration::from_secs(2),
            failures: 3,
            successes: 2,
        }
    }
}

impl HealthCheck {
    fn validate(&self, settings: &Settings) -> Result<(), Error> {
        let is_path = self.path.starts_with('/') && self.path.parse::<http::uri::PathAndQuery>().is_ok();
        if !is_path {
            return Err(Error::invalid(settings, "health.path", "a path such as /healthz is expected"));
        }
        if self.every.is_zero() || self.limit.is_zero() {
            return Err(Error::invalid(settings, "health", "`every` and `limit` above zero are expected"));
        }
        if self.failures == 0 || self.successes == 0 {
            return Err(Error::invalid(settings, "health", "`failures` and `successes` of at least 1 are expected"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named_with_what_is_expected() {
        let good = Settings::new(["http://127.0.0.1".parse().unwrap()]);
        assert!(good.validate().is_ok());
        let told = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.validate().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(told(|settings| settings.targets.clear()), "upstream: targets: at least one is expected");
        assert!(told(|settings| settings.connections = 0).contains("connections: at least 1"));
        assert!(told(|settings| settings.connect_limit = Duration::ZERO).contains("connect_limit: a duration above"));
        assert!(told(|settings| settings.ejection.max_share = f64::NAN).contains("max_share: a share from 0 to 1"));
        let health = |path: &str| HealthCheck { path: path.to_owned(), ..HealthCheck::default() };
        assert!(health("/ok?a=b").validate(&good).is_ok());
        assert!(health("ok").validate(&good).is_err_and(|error| error.to_string().contains("such as /healthz")));
    }
}

//! Where requests go.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::value::{OrOff, count, limit};
use crate::upstream::{self, Balance, ClientTls, Ejection, HealthCheck, Protocol, Target};

/// Where requests go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Upstream")]
pub struct UpstreamArgs {
    /// Where requests go: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Can be given several times: they share the
    /// requests, as the addresses of a name do.
    #[arg(long, value_name = "URL")]
    pub upstream: Vec<Target>,

    /// The version of HTTP towards the upstream.
    #[arg(long, value_name = "VERSION", value_enum, default_value_t)]
    pub upstream_http: HttpVersion,

    /// Who of several takes the next request.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub balance: Balancing,

    /// Trust these authorities for https, PEM, in place of the system's.
    #[arg(long, value_name = "FILE")]
    pub upstream_ca: Option<PathBuf>,

    /// Show this certificate to the upstream, PEM.
    #[arg(long, value_name = "FILE", requires = "upstream_key")]
    pub upstream_cert: Option<PathBuf>,

    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "upstream_cert")]
    pub upstream_key: Option<PathBuf>,

    /// The name to ask for and to verify, in place of the host of the URL.
    #[arg(long, value_name = "NAME")]
    pub upstream_name: Option<String>,

    /// The most connections to each address, shared out among the workers.
    #[arg(long, value_name = "N", value_parser = count, default_value = "1024")]
    pub upstream_connections: usize,

    /// The most requests at a time on one HTTP/2 connection; the upstream may allow less.
    #[arg(long, value_name = "N", value_parser = count, default_value = "100")]
    pub upstream_streams: usize,

    /// The most requests that wait for a connection, shared out among the workers; the next one is answered with 503.
    #[arg(long, value_name = "N", value_parser = count, default_value = "1024")]
    pub upstream_waiting: usize,

    /// How long an idle connection is kept: less than the upstream keeps it.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "4s")]
    pub upstream_idle: Duration,

    /// The most that making a connection may take, TLS included.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "5s")]
    pub connect_timeout: Duration,

    /// How often names are looked up again.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "30s")]
    pub resolve_every: Duration,

    /// After so many failures in a row an address is left out, for 30 s at first, and never more than half of them; `off`:
    /// never.
    #[arg(long, value_name = "N|off", value_parser = failures, default_value = "5")]
    pub eject_after: OrOff<u32>,

    /// Ask each address for this path, and use only those that answer with 2xx. [default: nobody is asked]
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,

    /// How often to ask.
    #[arg(long, value_name = "DURATION", value_parser = limit, requires = "health_path", default_value = "5s")]
    pub health_every: Duration,
}

impl UpstreamArgs {
    /// What the way out is told.
    #[must_use]
    pub fn settings(&self) -> upstream::Settings {
        let base = upstream::Settings::new(self.upstream.iter().cloned());
        upstream::Settings {
            http: self.upstream_http.into(),
            balance: self.balance.into(),
            tls: self.tls(),
            connections: self.upstream_connections,
            streams: self.upstream_streams,
            waiting: self.upstream_waiting,
            idle_limit: self.upstream_idle,
            connect_limit: self.connect_timeout,
            resolve_every: self.resolve_every,
            ejection: self.ejection(base.ejection),
            health: self.health(),
            ..base
        }
    }

    fn tls(&self) -> ClientTls {
        let certificate = self.upstream_cert.clone().zip(self.upstream_key.clone());
        ClientTls { ca: self.upstream_ca.clone(), certificate, name: self.upstream_name.clone() }
    }

    fn ejection(&self, base: Ejection) -> Ejection {
        let OrOff(failures) = self.eject_after;
        Ejection { failures: failures.unwrap_or(0), ..base }
    }

    fn health(&self) -> Option<HealthCheck> {
        let (base, path) = (HealthCheck::default(), self.health_path.clone()?);
        Some(HealthCheck { path, every: self.health_every, ..base })
    }
}

/// The version of HTTP towards the upstream.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum HttpVersion {
    /// HTTP/2 for gRPC, else HTTP/1.1; over TLS what the upstream chooses.
    #[default]
    Auto,
    /// HTTP/1.1 for everything.
    #[value(name = "1.1")]
    Http1,
    /// HTTP/2 for everything, without TLS with prior knowledge.
    #[value(name = "2")]
    Http2,
}

impl From<HttpVersion> for Protocol {
    fn from(version: HttpVersion) -> Self {
        match version {
            HttpVersion::Auto => Self::Auto,
            HttpVersion::Http1 => Self::Http1,
            HttpVersion::Http2 => Self::Http2,
        }
    }
}

/// Who of several takes the next request.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Balancing {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Of two at random, the one with fewer requests under way.
    LeastLoaded,
}

impl From<Balancing> for Balance {
    fn from(how: Balancing) -> Self {
        match how {
            Balancing::RoundRobin => Self::RoundRobin,
            Balancing::LeastLoaded => Self::LeastLoaded,
        }
    }
}

fn failures(text: &str) -> Result<OrOff<u32>, String> {
    let failures = |text: &str| text.parse().ok().filter(|failures| *failures > 0);
    match (text, failures(text)) {
        ("off", _) => Ok(OrOff(None)),
        (_, Some(failures)) => Ok(OrOff(Some(failures))),
        (_, None) => Err("a whole number above zero, or `off`, is expected".to_owned()),
    }
}

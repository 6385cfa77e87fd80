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
    /// Where requests go: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Several, or a name with several
    /// addresses, share the requests.
    #[arg(long, value_name = "URL", required = true)]
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
    #[arg(long, value_name = "N", value_parser = count)]
    pub upstream_connections: Option<usize>,

    /// The most requests at a time on one HTTP/2 connection; the upstream may allow less.
    #[arg(long, value_name = "N", value_parser = count)]
    pub upstream_streams: Option<usize>,

    /// The most requests that wait for a connection in each worker; the next one is answered with 503.
    #[arg(long, value_name = "N", value_parser = count)]
    pub upstream_waiting: Option<usize>,

    /// How long an idle connection is kept: less than the upstream keeps it.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub upstream_idle: Option<Duration>,

    /// The most that making a connection may take, TLS included.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub connect_timeout: Option<Duration>,

    /// How often names are looked up again.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub resolve_every: Option<Duration>,

    /// So many failures in a row eject an address for a while; `off` for never.
    #[arg(long, value_name = "N|off", value_parser = failures)]
    pub eject_after: Option<OrOff<u32>>,

    /// Ask each address for this path, and use only those that answer with 2xx.
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,

    /// How often to ask.
    #[arg(long, value_name = "DURATION", value_parser = limit, requires = "health_path")]
    pub health_every: Option<Duration>,
}

impl UpstreamArgs {
    /// What the way out is told; what was not given has its default.
    #[must_use]
    pub fn settings(&self) -> upstream::Settings {
        let base = upstream::Settings::new(self.upstream.iter().cloned());
        upstream::Settings {
            http: self.upstream_http.into(),
            balance: self.balance.into(),
            tls: self.tls(),
            connections: self.upstream_connections.unwrap_or(base.connections),
            streams: self.upstream_streams.unwrap_or(base.streams),
            waiting: self.upstream_waiting.unwrap_or(base.waiting),
            idle_limit: self.upstream_idle.unwrap_or(base.idle_limit),
            connect_limit: self.connect_timeout.unwrap_or(base.connect_limit),
            resolve_every: self.resolve_every.unwrap_or(base.resolve_every),
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
        match self.eject_after {
            Some(OrOff(failures)) => Ejection { failures: failures.unwrap_or(0), ..base },
            None => base,
        }
    }

    fn health(&self) -> Option<HealthCheck> {
        let (base, path) = (HealthCheck::default(), self.health_path.clone()?);
        Some(HealthCheck { path, every: self.health_every.unwrap_or(base.every), ..base })
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

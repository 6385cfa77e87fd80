//! One address that is called, and what is known of it. Shared by all workers.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use http::HeaderValue;
use http::uri::Authority;
use rustls::pki_types::ServerName;

use super::stand_in::StandIn;
use super::vitals::Vitals;

/// What an endpoint is called in messages: its address, and its host where that is another.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Arc<str>);

#[cfg(test)]
impl Name {
    pub(crate) fn scripted(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an endpoint stands in a pool. Places are used again, numbers are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// Whoever stands in for what is called this.
    StandIn(String, StandIn),
    #[cfg(test)]
    Scripted(super::tests::Peer),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::StandIn(name, _) => f.write_str(name),
            #[cfg(test)]
            Self::Scripted(_) => f.write_str("scripted"),
        }
    }
}

/// What all endpoints of one target have in common.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// What a request that names no host is addressed to.
    pub(super) authority: Authority,
    /// The same as a field.
    pub(super) host: HeaderValue,
    /// The name that is verified, where it speaks TLS.
    pub(super) tls: Option<ServerName<'static>>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) key: Key,
    pub(super) address: Address,
    pub(super) origin: Arc<Origin>,
    pub(super) name: Name,
    pub(super) vitals: Vitals,
    /// Which target it belongs to.
    pub(super) target: usize,
    /// Requests in flight, over all workers, where the balance needs to know.
    pub(super) load: AtomicUsize,
    /// Connections of the pools, over all workers, with those that are being made.
    pub(super) connections: AtomicUsize,
    /// The name that it was found by has it no more.
    gone: AtomicBool,
    /// Whether TLS with it chose HTTP/2 the last time.
    http2: AtomicBool,
    /// The versions in which it has ever answered.
    spoken: AtomicU8,
}

/// A version of HTTP in which an endpoint can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1 = 1,
    Http2 = 2,
}

impl Endpoint {
    pub(super) fn new(key: Key, target: usize, address: Address, origin: Arc<Origin>) -> Self {
        let (host, text) = (origin.authority.host(), address.to_string());
        let is_same = matches!(address, Address::Unix(_)) || text.contains(host);
        let name = Name(if is_same { text.into() } else { format!("{text} ({host})").into() });
        let (load, gone, http2) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let (vitals, spoken, connections) = (Vitals::default(), AtomicU8::new(0), AtomicUsize::new(0));
        Self { key, address, origin, name, vitals, target, load, connections, gone, http2, spoken }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.origin.tls.is_some()
    }

    /// Whether requests should go there.
    #[inline]
    pub(super) fn is_well(&self) -> bool {
        self.vitals.is_well()
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// It has answered in this version.
    #[inline]
    pub(super) fn answered(&self, version: Spoken) {
        self.vitals.answered();
        // As a rule it has before, and a store would take the line from the other workers.
        if self.spoken.load(Ordering::Relaxed) & version as u8 == 0 {
            self.spoken.fetch_or(version as u8, Ordering::Relaxed);
        }
    }

    /// Whether one that does not answer in this version has failed. The version is for the client to choose: one that
    /// asks a server of HTTP/1.1 for gRPC, or one of gRPC for a page, must not have it left out for all others.
    pub(super) fn should_speak(&self, version: Spoken) -> bool {
        let spoken = self.spoken.load(Ordering::Relaxed);
        spoken == 0 || spoken & version as u8 != 0
    }

    pub(super) fn speaks_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    pub(super) fn chose_http2(&self, chosen: bool) {
        self.http2.store(chosen, Ordering::Relaxed);
    }
}

//! Where requests come in.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::value::{address, count};
use crate::access::MOST;
use crate::client::{Side, Strangers};
use crate::error::Error;
use crate::listen::{self, Address, ServerTls};
use crate::peers::Peers;
use crate::worker::cores;

/// Where requests come in.
#[derive(Args, Debug)]
#[command(next_help_heading = "Listening")]
pub struct ListenArgs {
    /// Where requests come in without TLS: IP:PORT, unix:/PATH, or fd:NAME for a socket that systemd opened.
    /// Can be given several times. [default: 127.0.0.1:8080, if there is no --listen-tls]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<Address>,

    /// Where requests come in over TLS; HTTP/2 or HTTP/1.1, as the client chooses. Can be given several times.
    #[arg(long, value_name = "ADDR", requires_all = ["tls_cert", "tls_key"])]
    pub listen_tls: Vec<Address>,

    /// The certificate chain, PEM. It and the key are read again when they change.
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "listen_tls"])]
    pub tls_cert: Option<PathBuf>,

    /// The private key, PEM.
    #[arg(long, value_name = "FILE", requires_all = ["tls_cert", "listen_tls"])]
    pub tls_key: Option<PathBuf>,

    /// Clients must show a certificate that one of these authorities signed, PEM.
    #[arg(long, value_name = "FILE", requires = "listen_tls")]
    pub tls_client_ca: Option<PathBuf>,

    /// Peers that begin each connection with a PROXY header, version 1 or 2: networks, addresses, `unix`.
    #[arg(long, value_name = "PEERS")]
    pub proxy_protocol_from: Option<Peers>,

    /// Whoever comes in is a stranger, unless --trust names it, and what its deadline fields are worth. [default: whoever
    /// comes in is one of ours, and may ask for anything up to --max]
    #[arg(long, value_name = "HOW", value_enum)]
    pub edge: Option<Edge>,

    /// Where the status page is served, and /healthz, /readyz, /metrics, /config, /upstreams and /expired.
    #[arg(long, value_name = "ADDR", value_parser = address, default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,

    /// How many of the requests that were stopped last are kept for the status page; with 0, nothing is noted for it.
    #[arg(long, value_name = "N", value_parser = kept, default_value_t = MOST)]
    pub expired: usize,

    /// How many threads carry the traffic. [default: one for each core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub workers: Option<NonZeroUsize>,
}

impl ListenArgs {
    /// How many threads carry the traffic.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers.unwrap_or_else(cores)
    }

    /// Every listener for traffic, those without TLS first.
    ///
    /// # Errors
    ///
    /// Where two of them are the same.
    pub fn listeners(&self) -> Result<Vec<listen::Settings>, Error> {
        let mut plain = self.listen.clone();
        if plain.is_empty() && self.listen_tls.is_empty() {
            plain.push(Address::Tcp(([127, 0, 0, 1], 8080).into()));
        }
        let all = plain.iter().map(|address| (address, None));
        let all = all.chain(self.listen_tls.iter().map(|address| (address, self.tls())));
        let (proxy_protocol, side) = (&self.proxy_protocol_from, self.edge.map_or(Side::Internal, Side::from));
        let listeners: Vec<_> = all
            .map(|(address, tls)| {
                let address = address.clone();
                let proxy_protocol = proxy_protocol.clone();
                listen::Settings { tls, proxy_protocol, side, ..listen::Settings::new(address) }
            })
            .collect();
        match repeated(&listeners) {
            Some(twice) => Err(Error::ListenTwice(twice.clone())),
            None => Ok(listeners),
        }
    }

    fn tls(&self) -> Option<ServerTls> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(ServerTls { certificate, key, client_ca: self.tls_client_ca.clone() })
    }
}

/// What becomes of a stranger's deadline.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Edge {
    /// They can shorten --timeout, and not lengthen it.
    Cap,
    /// They do not count: they are removed before they are read.
    Drop,
}

impl From<Edge> for Side {
    fn from(edge: Edge) -> Self {
        Self::Edge(match edge {
            Edge::Cap => Strangers::Cap,
            Edge::Drop => Strangers::Drop,
        })
    }
}

/// An address that stands there more than once, unless the system is to choose the port.
fn repeated(listeners: &[listen::Settings]) -> Option<&Address> {
    let addresses = || listeners.iter().map(|listener| &listener.address);
    let is_chosen = |address: &Address| matches!(address, Address::Tcp(address) if address.port() == 0);
    addresses().enumerate().find_map(|(at, address)| {
        let before = addresses().take(at).any(|other| other == address);
        (before && !is_chosen(address)).then_some(address)
    })
}

fn kept(text: &str) -> Result<usize, String> {
    let kept = text.parse().ok().filter(|kept| *kept <= 1000);
    kept.ok_or_else(|| "a number of requests from 0 to 1000 is expected".to_owned())
}

fn workers(text: &str) -> Result<NonZeroUsize, String> {
    let workers = count(text).ok().filter(|workers| *workers <= 1024).and_then(NonZeroUsize::new);
    workers.ok_or_else(|| "a number of threads from 1 to 1024 is expected".to_owned())
}

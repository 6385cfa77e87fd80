//! Every socket that is listened on, opened before anything is served.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::error::Error;
use crate::listen::{Bound, Certificates, Inherited, Socket};
use crate::proxy;
use crate::settings::Settings;

/// What was opened.
pub(super) struct WaysIn {
    pub(super) admin: TcpListener,
    /// For each worker, a socket of each listener.
    pub(super) shares: Vec<Vec<Socket>>,
    addresses: Vec<String>,
    certificates: Vec<Arc<Certificates>>,
}

impl WaysIn {
    pub(super) async fn open(settings: &Settings) -> Result<Self, Error> {
        let (workers, mut inherited) = (settings.workers.get(), Inherited::take());
        let mut shares: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
        let (mut addresses, mut certificates) = (Vec::new(), Vec::new());
        for listener in &settings.listeners {
            let bound = Bound::bind(listener, workers, &mut inherited).map_err(Error::Listen)?;
            let scheme = if listener.tls.is_some() { "https" } else { "http" };
            addresses.push(format!("{scheme}://{}", bound.address()));
            certificates.extend(bound.tls());
            for (share, socket) in shares.iter_mut().zip(bound.sockets()) {
                share.push(socket);
            }
        }
        for socket in inherited.unclaimed() {
            tracing::warn!("inherited socket {socket} is listened on by no --listen");
        }
        let admin = bind(settings.admin, "--admin").await?;
        Ok(Self { admin, shares, addresses, certificates })
    }

    /// Those of listeners that speak TLS.
    pub(super) fn certificates(&self) -> impl Iterator<Item = Arc<Certificates>> {
        self.certificates.iter().cloned()
    }

    /// Says where it listens, and where requests go; returns the first of it in one line.
    pub(super) fn announce(&self, settings: &Settings) -> String {
        let (ways, mut out) = (ways(&settings.proxy), anstream::stdout());
        let admin = self.admin.local_addr().map(|address| address.to_string()).unwrap_or_default();
        // Serving does not depend on somebody reading this.
        for address in &self.addresses {
            let _ = writeln!(out, "deadline-proxy: {address} -> {ways}");
        }
        let _ = writeln!(out, "deadline-proxy: admin on http://{admin} (/healthz /readyz /metrics /config)");
        format!("serving on {}", self.addresses.join(", "))
    }
}

/// Where requests go, in a few words.
fn ways(settings: &proxy::Settings) -> String {
    match settings.upstreams.as_slice() {
        [upstream] if settings.routes.len() == 1 => {
            upstream.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        upstreams => format!("routes: {}, upstreams: {}", settings.routes.len(), upstreams.len()),
    }
}

async fn bind(address: SocketAddr, argument: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Bind { address, argument, source })
}

//! What whoever comes in by a listener meets.
//!
//! Covers what a listener is told beside its address, with the certificates read. It can be exchanged while the socket
//! stays: whoever has come in keeps to what it has met.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Certificates, Error, Settings};
use crate::client::Side;

/// What whoever comes in by a listener meets: its side, the PROXY header, TLS.
#[derive(Debug)]
pub struct Entrance {
    settings: Settings,
    certificates: Option<Arc<Certificates>>,
}

impl Entrance {
    /// Reads what the settings name.
    ///
    /// # Errors
    ///
    /// The certificates cannot be used.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let certificates = settings.tls.as_ref().map(Certificates::load).transpose()?.map(Arc::new);
        Ok(Self { settings: settings.clone(), certificates })
    }

    /// What these settings ask for instead. Certificates of the same files are the same ones, and read again: sessions go on.
    ///
    /// # Errors
    ///
    /// The certificates cannot be used; what is in use stays so.
    pub fn succeeded_by(self: &Arc<Self>, settings: &Settings) -> Result<Arc<Self>, Error> {
        let kept = self.certificates.as_ref().filter(|_| settings.tls == self.settings.tls);
        kept.map(|certificates| certificates.reload()).transpose()?;
        match kept {
            _ if *settings == self.settings => Ok(Arc::clone(self)),
            Some(kept) => Ok(Arc::new(Self { settings: settings.clone(), certificates: Some(Arc::clone(kept)) })),
            None => Self::open(settings).map(Arc::new),
        }
    }

    /// Where it stands, and all else that it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What it shows its clients, where it speaks TLS.
    #[must_use]
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.certificates.as_ref()
    }

    pub(super) fn side(&self) -> Side {
        self.settings.side
    }

    pub(super) fn expects_proxy_header(&self, peer: Option<SocketAddr>) -> bool {
        self.settings.proxy_protocol.as_ref().is_some_and(|peers| peers.contain(peer))
    }
}

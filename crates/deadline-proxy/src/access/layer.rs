//! What is done with what is noted of requests.

use std::sync::Arc;

use http::Request;

use super::open::Open;
use super::{AccessLog, Expired};
use crate::shutdown::Shutdown;

/// Writes one line for each request, once its response body has ended or is dropped; see the [module](super). A part of the
/// [front](crate::front).
#[derive(Clone, Debug, Default)]
pub struct AccessLayer {
    pub(super) log: Option<AccessLog>,
    pub(super) expired: Expired,
    pub(super) shutdown: Shutdown,
    /// What this proxy is called where it stops a request.
    pub(super) hop: Option<Arc<str>>,
}

impl AccessLayer {
    /// Writes there; nowhere, and pays nothing, where that is `None`.
    #[must_use]
    pub fn new(log: Option<AccessLog>) -> Self {
        Self { log, ..Self::default() }
    }

    /// Writes there instead.
    #[must_use]
    pub fn writing(self, log: Option<AccessLog>) -> Self {
        Self { log, ..self }
    }

    /// The name of this hop, where it is the one that stops a request; without this call it has none.
    #[must_use]
    pub fn named(self, hop: &str) -> Self {
        Self { hop: Some(hop.into()), ..self }
    }

    /// Keeps so many of the requests that were stopped last; without this call, none. Those that were kept before are kept
    /// on, as far as there is room for them.
    #[must_use]
    pub fn keeping(self, most: usize) -> Self {
        Self { expired: self.expired.holding(most), ..self }
    }

    /// The requests that were stopped last.
    #[must_use]
    pub fn expired(&self) -> &Expired {
        &self.expired
    }

    /// Whether anything is noted of requests.
    fn notes(&self) -> bool {
        self.log.is_some() || self.expired.is_kept()
    }

    /// Once this has begun, no client leaves: whatever is dropped is dropped because the process ends.
    #[must_use]
    pub fn until(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }
}

impl AccessLayer {
    /// Notes a request from now on, where anything is noted of requests.
    pub(crate) fn open<B>(layer: &Arc<Self>, request: &mut Request<B>) -> Option<Box<Open>> {
        layer.notes().then(|| Box::new(Open::new(Arc::clone(layer), request)))
    }
}

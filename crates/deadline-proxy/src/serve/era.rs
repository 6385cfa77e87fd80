//! What connections are served under, which can be exchanged while they last.
//!
//! Covers the pair of terms and service that holds for a connection from its first byte to its last, and its exchange: who
//! has come in keeps to what held then, and is let go gently. Does not know what is served.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::Terms;

/// Who serves a request. It is asked anew for each, and what it gives serves that request to its end.
pub trait Pick: Send + Sync + 'static {
    /// What serves it.
    type Service: 'static;

    /// The service of a request that has just come.
    fn pick(&self) -> Self::Service;
}

/// The same service for every request.
#[derive(Clone, Debug)]
pub struct Always<S>(pub S);

impl<S: Clone + Send + Sync + 'static> Pick for Always<S> {
    type Service = S;

    fn pick(&self) -> S {
        self.0.clone()
    }
}

/// What a connection is served under, from its first byte to its last.
#[derive(Debug)]
pub struct Era<P, E> {
    pub(super) terms: Terms,
    pub(super) service: P,
    pub(super) entrance: Arc<E>,
    retired: CancellationToken,
}

impl<P, E> Era<P, E> {
    /// Whoever comes in meets `entrance` first; it is then held to `terms`, and its requests are served by `service`.
    #[must_use]
    pub fn new(terms: Terms, service: P, entrance: Arc<E>) -> Self {
        Self { terms, service, entrance, retired: CancellationToken::new() }
    }

    /// Lets its connections go, gently.
    pub(super) fn retire(&self) {
        self.retired.cancel();
    }

    /// Cancelled once its connections are to go.
    pub(super) fn retired(&self) -> CancellationToken {
        self.retired.clone()
    }
}

/// The era that holds for a listener's next connection. A clone is the same.
#[derive(Debug)]
pub struct Eras<P, E>(Arc<ArcSwap<Era<P, E>>>);

impl<P, E> Clone for Eras<P, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P, E> Eras<P, E> {
    /// This one holds until another begins.
    #[must_use]
    pub fn new(first: Era<P, E>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// From here on this one holds, and the connections of the one before are let go, gently.
    pub fn begin(&self, next: Era<P, E>) {
        self.0.swap(Arc::new(next)).retire();
    }

    /// The one that holds.
    pub(super) fn current(&self) -> Arc<Era<P, E>> {
        self.0.load_full()
    }
}

//! The layer that stands outside of everything.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project::{pin_project, pinned_drop};
use tower::{Layer, Service};

use super::open::Open;
use super::{AccessLog, Expired, ReceivedBody, SentBody};
use crate::shutdown::Shutdown;

/// Applies [`Access`]; see the [module](super).
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

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Access { inner, layer: self.clone() }
    }
}

/// Writes one line for each request, once its response body has ended or is dropped; see the [module](super).
#[derive(Clone, Debug)]
pub struct Access<S> {
    inner: S,
    layer: AccessLayer,
}

impl<S, RB, B> Service<Request<RB>> for Access<S>
where
    S: Service<Request<ReceivedBody<RB>>, Response = Response<B>>,
    S::Error: Error + 'static,
    B: Body,
{
    type Response = Response<SentBody<B>>;
    type Error = S::Error;
    type Future = AccessFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let open = self.layer.notes().then(|| Box::new(Open::new(&self.layer, &request)));
        let record = open.as_ref().map(|open| open.record.clone());
        if let Some(record) = &record {
            request.extensions_mut().insert(record.clone());
        }
        let request = request.map(|body| ReceivedBody::new(body, record));
        AccessFuture { inner: Some(self.inner.call(request)), open }
    }
}

/// Future of [`Access`]. Dropping it cancels the inner service's, and writes the line.
#[pin_project(PinnedDrop)]
#[derive(Debug)]
pub struct AccessFuture<F> {
    /// `None` once it has answered.
    #[pin]
    inner: Option<F>,
    open: Option<Box<Open>>,
}

impl<F, B, E> Future for AccessFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: Error + 'static,
{
    type Output = Result<Response<SentBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let outcome = ready!(inner.poll(cx));
        this.inner.set(None);
        let mut open = this.open.take();
        Poll::Ready(match outcome {
            Ok(response) => {
                open.iter_mut().for_each(|open| open.answered(&response));
                Ok(SentBody::of(response, open))
            }
            Err(error) => {
                open.into_iter().for_each(|open| open.failed(&error));
                Err(error)
            }
        })
    }
}

#[pinned_drop]
impl<F> PinnedDrop for AccessFuture<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(open) = this.open.take() {
            open.abandoned(|| this.inner.set(None));
        }
    }
}

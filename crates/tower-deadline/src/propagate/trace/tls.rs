//! A connector with TLS that tells of it.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use pin_project::pin_project;
use tower_service::Service;

use super::telling::{Telling, calling};
use crate::BoxError;

/// A connector that adds TLS to the connections of another, such as those of hyper-rustls and hyper-tls, and tells the
/// call how long that takes; see the [module](super).
///
/// The one within has to be a [`TracedConnector`](super::TracedConnector): TLS begins where that has connected. A
/// connection that is there at that very moment has none.
///
/// ```
/// # use hyper_util::client::legacy::connect::HttpConnector;
/// # struct HttpsConnector(TracedConnector<HttpConnector>);
/// # impl HttpsConnector { fn new_with_connector(inner: TracedConnector<HttpConnector>) -> Self { Self(inner) } }
/// use tower_deadline::propagate::trace::{TracedConnector, TracedTls};
///
/// let http = TracedConnector::new(HttpConnector::new());
/// let https = TracedTls::new(HttpsConnector::new_with_connector(http));
/// # let _ = https;
/// ```
#[derive(Clone, Debug)]
pub struct TracedTls<C> {
    inner: C,
}

impl<C> TracedTls<C> {
    /// Tells what this one does.
    #[must_use]
    pub fn new(inner: C) -> Self {
        Self { inner }
    }
}

impl<C> Service<Uri> for TracedTls<C>
where
    C: Service<Uri, Error: Into<BoxError>>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Securing<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let telling = calling(|call| call.and_then(|call| call.telling.clone()));
        Securing { inner: self.inner.call(to), telling, is_begun: false }
    }
}

/// The future of [`TracedTls`].
#[pin_project]
#[derive(Debug)]
pub struct Securing<F> {
    #[pin]
    inner: F,
    /// `None` where nobody is told, and once it has ended.
    telling: Option<Telling>,
    is_begun: bool,
}

impl<F, T, E> Future for Securing<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Polled by a task of the pool's: the call went on without this connection.
        if calling(|call| call.is_none()) {
            *this.telling = None;
        }
        let polled = this.inner.poll(cx).map_err(Into::into);
        let Some(telling) = this.telling else { return polled };
        match &polled {
            Poll::Pending if !*this.is_begun && telling.is_made() => {
                *this.is_begun = true;
                telling.secure();
            }
            Poll::Pending => {}
            Poll::Ready(done) => {
                if *this.is_begun {
                    telling.secured(done.as_ref().err().map(|error| &**error as &(dyn Error + 'static)));
                }
                *this.telling = None;
            }
        }
        polled
    }
}

//! A connector that tells of its connections.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http_deadline::CallEvent;
use pin_project::pin_project;
use tower_service::Service;

use super::telling::{Telling, calling};
use crate::BoxError;

/// A connector, such as hyper-util's `HttpConnector`, that tells the call for which it connects; see the
/// [module](super). Its place is around what makes the socket, and inside of what adds TLS.
///
/// What asks for names within it is told apart where that is a [`TracedResolver`](super::TracedResolver); otherwise
/// it is part of connecting.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower_deadline::propagate::trace::{TracedConnector, TracedResolver};
///
/// let http = HttpConnector::new_with_resolver(TracedResolver::new(GaiResolver::new()));
/// let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(TracedConnector::new(http));
/// # let _ = client;
/// ```
#[derive(Clone, Debug)]
pub struct TracedConnector<C> {
    inner: C,
}

impl<C> TracedConnector<C> {
    /// Tells what this one does.
    #[must_use]
    pub fn new(inner: C) -> Self {
        Self { inner }
    }
}

impl<C> Service<Uri> for TracedConnector<C>
where
    C: Service<Uri, Error: Into<BoxError>>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let telling = calling(|call| call.and_then(|call| call.telling.clone()));
        let told = telling.map(|telling| {
            telling.begin_connection();
            Told { telling, to: to.clone(), is_begun: false }
        });
        Connecting { inner: self.inner.call(to), told }
    }
}

/// The future of [`TracedConnector`].
#[pin_project]
#[derive(Debug)]
pub struct Connecting<F> {
    #[pin]
    inner: F,
    /// `None` where nobody is told, and once it has ended.
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    telling: Telling,
    to: Uri,
    is_begun: bool,
}

impl Told {
    /// It connects now, unless it asks for a name first.
    fn begin(&mut self) {
        if !self.is_begun && !self.telling.lacks_address() {
            self.is_begun = true;
            let address = self.to.authority().map_or("", |authority| authority.as_str());
            self.telling.tell(&CallEvent::ConnectStart { address: format_args!("{address}") });
        }
    }
}

impl<F, T, E> Future for Connecting<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Polled by a task of the pool's: the call went on without this connection.
        if calling(|call| call.is_none()) {
            *this.told = None;
        }
        let polled = this.inner.poll(cx).map_err(Into::into);
        let Some(told) = this.told else { return polled };
        match &polled {
            Poll::Pending => told.begin(),
            Poll::Ready(made) => {
                let error = made.as_ref().err().map(|error| &**error as &(dyn Error + 'static));
                told.begin();
                if told.is_begun {
                    told.telling.made(error);
                }
                *this.told = None;
            }
        }
        polled
    }
}

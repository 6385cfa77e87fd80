//! Guard: a request that has lost its deadline on the way through the layers is found.
//!
//! A layer that makes a request anew (`Request::new`, a conversion to another library's type and back) leaves its
//! extensions behind, and with them the [`Deadline`]. Nothing fails then: whoever looks for the deadline further in finds
//! none, or the ambient one only, and nobody notices until a request hangs. This layer notices.
//!
//! # What it covers
//!
//! - *inside of a server's layers*: the task works under a deadline, and the request does not carry it, or carries a
//!   later one;
//! - *around a client*, by [`outgoing`](DeadlineGuardLayer::outgoing): a call is made for which there is no deadline at
//!   all, neither in the request nor around the task.
//!
//! In a debug build, and so in tests, it panics there. In a release build it counts (`deadline_lost_total`), tells the
//! log by the feature `tracing`, and lets the request through as it is. It repairs nothing: the layer that
//! lost the deadline does. It does not see what is lost further in than it stands.
//!
//! # Differences from the policy key `outgoing`
//!
//! [`Policy::outgoing`](crate::Policy::outgoing) makes a call without a deadline fail, in production too, for requests of
//! one policy and for clients with a [`PropagateLayer`](crate::PropagateLayer). The guard changes nothing for a request,
//! and stands where one likes.
//!
//! # Example
//!
//! A layer that rebuilds the request is caught:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_deadline::{DeadlineGuard, DeadlineLayer, LostDeadline, Policy, WatchedBody};
//!
//! type Incoming = Request<WatchedBody<Full<Bytes>>>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(3))))
//!     .map_request(|request: Incoming| {
//!         assert_eq!(DeadlineGuard::check(&request), Ok(()));
//!         // Its extensions stay behind.
//!         Request::new(request.into_body())
//!     })
//!     .service_fn(|request: Incoming| async move {
//!         assert_eq!(DeadlineGuard::check(&request), Err(LostDeadline::Dropped));
//!         Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("in time")))
//!     });
//! assert!(service.oneshot(Request::new(Full::default())).await?.status().is_success());
//! # Ok(())
//! # }
//! ```
//!
//! As a layer, inside of those that are not trusted, and around a client:
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_deadline::{DeadlineGuardLayer, DeadlineLayer, Policy, PropagateLayer};
//!
//! let server = ServiceBuilder::new()
//!     .layer(DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(3))))
//!     // … layers of others …
//!     .layer(DeadlineGuardLayer::new());
//! let client = ServiceBuilder::new().layer(DeadlineGuardLayer::outgoing()).layer(PropagateLayer::new());
//! # let _ = (server, client);
//! ```

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};

use http::{Extensions, Request};
use http_deadline::{Deadline, current};
use tower_layer::Layer;
use tower_service::Service;

use crate::{count, log};

/// How a request has lost its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostDeadline {
    /// The task works under a deadline, and the request carries none.
    Dropped,
    /// The request carries a later deadline than the task works under.
    Later,
    /// A call is made without any deadline, of its own or of the task.
    Nowhere,
}

impl fmt::Display for LostDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => {
                "the task works under a deadline, and the request carries none: a layer further out has made the \
                 request anew without its extensions"
            }
            Self::Later => {
                "the request carries a later deadline than the task works under: a layer further out has put it into \
                 the extensions"
            }
            Self::Nowhere => {
                "a call without a deadline: there is none in its extensions and none around the task, which was \
                 spawned plainly or serves no request"
            }
        })
    }
}

impl Error for LostDeadline {}

/// Applies [`DeadlineGuard`]; see the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct DeadlineGuardLayer {
    stands: Stands,
    made: &'static Location<'static>,
}

/// Where a guard stands.
#[derive(Clone, Copy, Debug)]
enum Stands {
    InServer,
    AroundClient,
}

impl DeadlineGuardLayer {
    /// For the inside of a server's layers: what the task works under, the request has to carry. The line that calls
    /// this is told.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self { stands: Stands::InServer, made: Location::caller() }
    }

    /// For the outside of a client: a call has to have a deadline, of its own or of the task. The line that calls this
    /// is told.
    #[must_use]
    #[track_caller]
    pub fn outgoing() -> Self {
        Self { stands: Stands::AroundClient, made: Location::caller() }
    }
}

impl Default for DeadlineGuardLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DeadlineGuardLayer {
    type Service = DeadlineGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DeadlineGuard { inner, layer: *self }
    }
}

/// Finds requests that have lost their deadline; see the [module](self).
#[derive(Clone, Debug)]
pub struct DeadlineGuard<S> {
    inner: S,
    layer: DeadlineGuardLayer,
}

impl DeadlineGuard<()> {
    /// Whether a request carries the deadline that the task works under; for tests, and for code between layers.
    ///
    /// # Errors
    ///
    /// [`LostDeadline::Dropped`] or [`LostDeadline::Later`]. A task without a deadline has none to lose.
    pub fn check<B>(request: &Request<B>) -> Result<(), LostDeadline> {
        carried(request.extensions())
    }

    /// Whether a call has a deadline, of its own or of the task; for tests, and for clients of one's own.
    ///
    /// # Errors
    ///
    /// [`LostDeadline::Nowhere`].
    pub fn check_outgoing<B>(request: &Request<B>) -> Result<(), LostDeadline> {
        found(request.extensions())
    }
}

fn carried(extensions: &Extensions) -> Result<(), LostDeadline> {
    let Some(ambient) = current() else { return Ok(()) };
    match extensions.get::<Deadline>() {
        None => Err(LostDeadline::Dropped),
        // R1: it is only ever shortened.
        Some(carried) if carried.instant() > ambient.instant() => Err(LostDeadline::Later),
        Some(_) => Ok(()),
    }
}

fn found(extensions: &Extensions) -> Result<(), LostDeadline> {
    let is_found = extensions.get::<Deadline>().is_some() || current().is_some();
    if is_found { Ok(()) } else { Err(LostDeadline::Nowhere) }
}

impl<S, B> Service<Request<B>> for DeadlineGuard<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    /// # Panics
    ///
    /// In a debug build, where the request has lost its deadline.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let DeadlineGuardLayer { stands, made } = self.layer;
        let kept = match stands {
            Stands::InServer => carried(request.extensions()),
            Stands::AroundClient => found(request.extensions()),
        };
        if let Err(lost) = kept {
            count::lost();
            log::lost(lost, made);
            debug_assert!(false, "{lost} (the guard of {made})");
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests;

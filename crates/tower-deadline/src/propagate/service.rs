//! The layer and its service.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_deadline::{Deadline, Dialects, OnMissing, Origin, Stage};
use tower_layer::Layer;
use tower_service::Service;

use super::PropagateError;
use super::bounds::Bounds;
use super::future::PropagateFuture;
use crate::timer::{now, wall};
use crate::{BoxError, WatchedBody};

/// Applies [`Propagate`]; see the [module](crate::propagate).
#[derive(Clone, Debug, Default)]
pub struct PropagateLayer {
    dialects: Arc<Dialects>,
    own: Option<(Duration, Origin)>,
    on_missing: OnMissing,
}

impl PropagateLayer {
    /// Propagates in the default dialects. A call without a deadline is sent without a field.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes these dialects.
    #[must_use]
    pub fn dialects(mut self, dialects: Dialects) -> Self {
        self.dialects = Arc::new(dialects);
        self
    }

    /// The most that any one call through this layer may take, whatever else is left. The line that calls
    /// this is the origin.
    #[must_use]
    #[track_caller]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.own = Some((timeout, Origin::code()));
        self
    }

    /// What happens to a call without a deadline. It is sent by default.
    #[must_use]
    pub fn on_missing(mut self, on_missing: OnMissing) -> Self {
        self.on_missing = on_missing;
        self
    }
}

impl<S> Layer<S> for PropagateLayer {
    type Service = Propagate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Propagate { inner, layer: self.clone() }
    }
}

/// Sends what is left of the deadline with each call; see the [module](crate::propagate).
#[derive(Clone, Debug)]
pub struct Propagate<S> {
    inner: S,
    layer: PropagateLayer,
}

impl<S, RB, B> Service<Request<RB>> for Propagate<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<WatchedBody<B>>;
    type Error = PropagateError;
    type Future = PropagateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(|error| PropagateError::Inner(error.into()))
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let dialects = Arc::clone(&self.layer.dialects);
        match self.layer.prepare(&mut request) {
            Ok(bounds) => PropagateFuture::sent(bounds, dialects, || self.inner.call(request)),
            Err(error) => PropagateFuture::unsent(error, dialects),
        }
    }
}

impl PropagateLayer {
    /// Writes the fields. `None`: there is no deadline, and none is wanted.
    fn prepare<RB>(&self, request: &mut Request<RB>) -> Result<Option<Bounds>, PropagateError> {
        let Some(bounds) = Bounds::of(request.extensions(), self.own()) else {
            self.dialects.strip(request.headers_mut());
            return match self.on_missing {
                OnMissing::Reject => Err(PropagateError::Missing),
                _ => Ok(None),
            };
        };
        // For a layer further in, which writes the field again.
        *request.extensions_mut().get_or_insert_with(|| bounds.deadline()) = bounds.deadline();
        let left = bounds.sent().remaining(now());
        let written = self.dialects.write(request.headers_mut(), left, wall(&self.dialects)).is_ok();
        // R16, also where no dialect is written. An observing policy sends without the field.
        let sent = (written && !left.is_zero()) || bounds.is_observed();
        if sent { Ok(Some(bounds)) } else { Err(PropagateError::Exceeded(bounds.exceeded(Stage::Unsent))) }
    }

    fn own(&self) -> Option<Deadline> {
        let (timeout, origin) = self.own?;
        Some(Deadline::after(now(), timeout).with_origin(origin))
    }
}

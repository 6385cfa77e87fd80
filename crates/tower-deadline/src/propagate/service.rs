//! The layer and its service.

use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, HeaderMap, Request, Response};
use http_deadline::dialect::{Call, Found};
use http_deadline::{Ambient, Deadline, Dialects, Journey, OnMissing, Origin, Policy, PolicyName};
use tower_layer::Layer;
use tower_service::Service;

use super::PropagateError;
use super::bounds::{Bounds, Soonest};
use super::future::PropagateFuture;
use super::missing::{Missing, ask_around};
use super::trace::{CallTrace, Telling, Traced};
use crate::count::Calls;
use crate::timer::{now, wall};
use crate::trace::{CallSpan, write_current};
use crate::{BoxError, WatchedBody};

/// Applies [`Propagate`]; see the [module](crate::propagate).
#[derive(Clone, Debug)]
pub struct PropagateLayer {
    pub(crate) dialects: Arc<Dialects>,
    own: Option<(Duration, Origin)>,
    on_missing: OnMissing,
    calls: Calls,
    /// The line that made it.
    pub(crate) made: &'static Location<'static>,
    pub(crate) traced: Traced,
    /// Whoever calls further in writes the fields.
    is_written_within: bool,
}

/// In the extensions of a call for which no deadline was found: who writes its fields again need not count that.
#[derive(Clone, Copy, Debug)]
struct Missed;

/// Whether anything is counted or told here at all.
const IS_TOLD: bool = cfg!(any(feature = "metrics", feature = "tracing"));

impl PropagateLayer {
    /// Propagates in the default dialects. A call without a deadline is sent without a field, unless the
    /// [policy](http_deadline::Policy::outgoing) of the request around it requires one. The line that calls this is the
    /// one that is told where a service of this layer finds none.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            dialects: Arc::default(),
            own: None,
            on_missing: OnMissing::default(),
            calls: Default::default(),
            traced: Traced::default(),
            made: Location::caller(),
            is_written_within: false,
        }
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

    /// What happens to a call for which no deadline is found, neither in its extensions nor around the task. It is
    /// sent by default, unless the policy of the request around it [requires](http_deadline::Policy::outgoing) one;
    /// each is counted, by the feature `metrics`. The layer's own [`timeout`](Self::timeout) bounds a call, and is none that is found.
    #[must_use]
    pub fn on_missing(mut self, on_missing: OnMissing) -> Self {
        self.on_missing = on_missing;
        self
    }

    /// Tells this one what happens in each call through the layer; see [`trace`](super::trace), which has examples.
    #[must_use]
    pub fn trace(mut self, trace: Arc<dyn CallTrace>) -> Self {
        self.traced.trace = Some(trace);
        self
    }

    /// Tells nothing to those who listen to the journey of a call, for whatever is called further in does so, and knows
    /// more: a pool of connections for one. A [trace](Self::trace) is told all the same.
    #[must_use]
    pub fn told_within(mut self) -> Self {
        self.traced.is_told_within = true;
        self
    }

    /// Touches no field of a call that has a deadline, for whatever is called further in strips and [writes](Self::write)
    /// them at the last moment (R2): after the wait for a connection, for one. The call is bounded all the same, and one
    /// with nothing left is not sent (R16).
    ///
    /// ```
    /// use http::Request;
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use tower::{Service, ServiceBuilder};
    /// use tower_deadline::{Deadline, PropagateLayer, now};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let last = PropagateLayer::new();
    /// let mut client = ServiceBuilder::new()
    ///     .layer(PropagateLayer::new().written_within())
    ///     .service_fn(move |mut request: Request<()>| {
    ///         assert!(request.headers().is_empty());
    ///         let mut fields = std::mem::take(request.headers_mut());
    ///         let written = last.write(&mut fields, request.extensions());
    ///         async move { written.map(|_| http::Response::new(fields.len().to_string())) }
    ///     });
    /// let deadline = Deadline::after(now(), Duration::from_secs(3));
    /// let response = client.call(Request::builder().extension(deadline).body(())?).await?;
    /// # let _: Result<(), Infallible> = Ok(());
    /// # drop(response);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn written_within(mut self) -> Self {
        self.is_written_within = true;
        self
    }
}

impl Default for PropagateLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
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

    #[inline]
    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let dialects = Arc::clone(&self.layer.dialects);
        let found = dialects.find(request.headers());
        let (call, prepared) = (found.call(), self.layer.prepare(&mut request, found));
        let bounds = prepared.as_ref().ok().and_then(Option::as_ref);
        let span = CallSpan::open(&mut request, bounds.and_then(Bounds::journey), bounds.map(Bounds::deadline));
        let telling = self.layer.begin(&prepared, request.extensions());
        PropagateFuture::new(call, dialects, prepared, (telling, span), || self.inner.call(request))
    }
}

impl PropagateLayer {
    /// Only writes the fields, from the extensions and the ambient deadline as the layer does: for clients whose
    /// stack cannot be changed, such as an interceptor of tonic. Returns the deadline that was found. There is no span of
    /// such a call: with the feature `opentelemetry` it carries the context of the one that is entered.
    ///
    /// What bounds the call then is around it: a [`scope`](crate::scope()), or an enforced request. tonic's channel
    /// keeps the `grpc-timeout` that was written, but says `CANCELLED` then, does not see the wait for a connection, and
    /// leaves a stream open that has begun.
    ///
    /// ```
    /// use http::{Extensions, HeaderMap};
    /// use std::time::Duration;
    /// use tower_deadline::{Deadline, PropagateError, PropagateLayer, now, scope};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let fields = scope(Deadline::after(now(), Duration::from_secs(3)), async {
    ///     let mut headers = HeaderMap::new();
    ///     PropagateLayer::new().write(&mut headers, &Extensions::new()).map(|_| headers)
    /// });
    /// assert!(fields.await??.contains_key("x-request-timeout"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As of the layer: [`PropagateError::Exceeded`] with stage `unsent` where nothing is left to spend (R16), and
    /// [`PropagateError::Missing`] where a deadline is wanted.
    #[track_caller]
    pub fn write(&self, headers: &mut HeaderMap, extensions: &Extensions) -> Result<Option<Deadline>, PropagateError> {
        let found = self.dialects.find(headers);
        let soonest = self.seek(headers, extensions, found.call(), Location::caller())?;
        match soonest {
            Some(soonest) => {
                // Nothing more is asked of what is around: the call is bounded by somebody else.
                let reserve = ask_around(extensions, Policy::reserved).unwrap_or_default();
                if !self.write_found(headers, found, soonest.deadline.reserve(reserve)) {
                    self.withhold(&Bounds::at(soonest, extensions))?;
                }
            }
            None => self.dialects.strip_found(headers, found),
        }
        write_current(headers);
        Ok(soonest.map(|soonest| soonest.deadline))
    }

    /// Who is told of a call; nobody of one that is not sent.
    fn begin(&self, prepared: &Result<Option<Bounds>, PropagateError>, extensions: &Extensions) -> Option<Telling> {
        match prepared {
            _ if !self.traced.tells() => None,
            // That of this call alone, where it has a span.
            Ok(Some(bounds)) => self.traced.begin(extensions.get().or(bounds.journey()), Some(bounds.deadline())),
            // A request without a deadline is a journey where somebody has asked for it.
            Ok(None) => match extensions.get() {
                Some(journey) => self.traced.begin(Some(journey), None),
                None => self.traced.begin(heard_around().as_ref(), None),
            },
            Err(_) => None,
        }
    }

    /// Writes the fields, and leaves in the extensions what a layer further in goes by.
    fn prepare<B>(&self, request: &mut Request<B>, found: Found) -> Result<Option<Bounds>, PropagateError> {
        let soonest = self.seek(request.headers(), request.extensions(), found.call(), self.made)?;
        let bounds = soonest.map(|soonest| Bounds::at(soonest, request.extensions()));
        match &bounds {
            Some(bounds) if self.is_written_within => {
                if bounds.sent().is_expired(now()) {
                    self.withhold(bounds)?;
                }
            }
            Some(bounds) => {
                if !self.write_found(request.headers_mut(), found, bounds.sent()) {
                    self.withhold(bounds)?;
                }
            }
            None => self.dialects.strip_found(request.headers_mut(), found),
        }
        self.calls.sent(|| policy_of(bounds.as_ref(), request.extensions()));
        if let Some(soonest) = soonest.filter(|soonest| !soonest.is_carried) {
            // For a layer further in, which writes the field again.
            request.extensions_mut().insert(soonest.deadline);
        }
        if IS_TOLD && !bounds.as_ref().is_some_and(Bounds::is_found) {
            request.extensions_mut().insert(Missed);
        }
        Ok(bounds)
    }

    /// The deadline of this call. `None`: there is none, and none is wanted.
    fn seek(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        call: Call,
        site: &'static Location<'static>,
    ) -> Result<Option<Soonest>, PropagateError> {
        let asked = if call == Call::Grpc { self.asked(headers) } else { None };
        let soonest = Soonest::of(extensions, asked, self.own());
        if !soonest.as_ref().is_some_and(|soonest| soonest.is_found) {
            self.miss(extensions, site)?;
        }
        Ok(soonest)
    }

    /// What was found, where that is enough.
    #[cfg(feature = "reqwest")]
    pub(crate) fn wanted(
        &self,
        bounds: Option<Bounds>,
        extensions: &Extensions,
        site: &'static Location<'static>,
    ) -> Result<Option<Bounds>, PropagateError> {
        if !bounds.as_ref().is_some_and(Bounds::is_found) {
            self.miss(extensions, site)?;
        }
        Ok(bounds)
    }

    /// No deadline is found for a call: that is counted (R21), once, and fails where one is wanted.
    fn miss(&self, extensions: &Extensions, site: &'static Location<'static>) -> Result<(), PropagateError> {
        let missing = Missing::around(extensions, site);
        if IS_TOLD && extensions.get::<Missed>().is_none() {
            self.calls.missing(missing.policy);
            missing.tell(self.on_missing);
        }
        missing.accept(self.on_missing)
    }

    /// Nothing is left for this call; see [`Bounds::withhold`].
    pub(crate) fn withhold(&self, bounds: &Bounds) -> Result<(), PropagateError> {
        bounds.withhold().inspect_err(|_| self.calls.unsent(bounds.policy()))
    }

    /// A call goes out, under what was found for it.
    #[cfg(feature = "reqwest")]
    pub(crate) fn sends(&self, policy: Option<PolicyName>) {
        self.calls.sent(|| policy);
    }

    /// Writes what is left now, in place of whatever stood there. Returns whether there was anything.
    #[cfg(feature = "reqwest")]
    pub(crate) fn write_left(&self, headers: &mut HeaderMap, bounds: &Bounds) -> bool {
        self.write_found(headers, self.dialects.find(headers), bounds.sent())
    }

    fn write_found(&self, headers: &mut HeaderMap, found: Found, sent: Deadline) -> bool {
        let left = sent.remaining(now());
        // Nothing left is not sent, also where no dialect is written.
        self.dialects.write_found(headers, found, left, wall(&self.dialects)).is_ok() && !left.is_zero()
    }

    /// What the caller of a gRPC method set as the timeout of this call, by its library's own means.
    fn asked(&self, headers: &HeaderMap) -> Option<Deadline> {
        let asked = self.dialects.read(headers, wall(&self.dialects));
        let (timeout, dialect) = asked.strictest()?;
        Some(Deadline::after(now(), timeout).with_origin(Origin::Header(dialect)))
    }

    pub(crate) fn own(&self) -> Option<Deadline> {
        let (timeout, origin) = self.own?;
        Some(Deadline::after(now(), timeout).with_origin(origin))
    }
}

/// The policy of the request that a call is part of, if it is part of one.
fn policy_of(bounds: Option<&Bounds>, extensions: &Extensions) -> Option<PolicyName> {
    bounds.and_then(Bounds::policy).or_else(|| ask_around(extensions, Policy::name))
}

/// The journey around, where somebody listens to it.
pub(super) fn heard_around() -> Option<Journey> {
    // Whoever listens is told outside of the look.
    Ambient::look(|around| around.journey().filter(|journey| journey.is_listened_to()).cloned())
}

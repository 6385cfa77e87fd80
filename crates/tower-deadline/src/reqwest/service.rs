//! The client as a service.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Extensions;
use http_deadline::{Deadline, Exceeded, Journey};
use reqwest::{Client, Request, Response};
use tower_service::Service;

use super::call::{Call, Failed, Plan};
use super::limits::LimitReached;
use crate::PropagateError;

/// A reqwest client whose calls carry what is left; see the [module](crate::reqwest).
///
/// A clone is the same client, with the same connections.
#[derive(Clone, Debug)]
pub struct PropagateReqwest {
    client: Client,
    plan: Arc<Plan>,
}

impl PropagateReqwest {
    pub(super) fn new(plan: Arc<Plan>, client: Client) -> Self {
        Self { client, plan }
    }

    /// Makes a call, under the ambient deadline or, with [`WithDeadline`], under one of its own.
    ///
    /// The ambient deadline is looked for here, and not when the future is first polled: within a
    /// [`scope`](crate::scope()), this has to be called in its future. Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// [`PropagateError::Exceeded`] where a limit was reached ([`LimitReached::find`] tells which), or nothing was
    /// left to send with; [`PropagateError::Missing`] where a deadline is wanted and none was found;
    /// [`PropagateError::Inner`] with reqwest's error, or with [`TooManyRedirects`](super::TooManyRedirects).
    #[track_caller]
    pub fn execute(&self, request: impl Into<WithDeadline<Request>>) -> PropagateReqwestFuture {
        self.calling(request.into(), Location::caller())
    }

    fn calling(&self, request: WithDeadline<Request>, site: &'static Location<'static>) -> PropagateReqwestFuture {
        let WithDeadline { mut request, found } = request;
        let (client, call) = (self.client.clone(), Call::new(&self.plan, &mut request, &found, site));
        let calling = async move { call?.make(client, request).await.map_err(told) };
        PropagateReqwestFuture(Some(Box::pin(calling)))
    }
}

/// What the caller is told: a limit of ours comes back as the reason why a connection was not made.
fn told(failed: Failed<reqwest::Error>) -> PropagateError {
    match failed {
        Failed::Held(error) => error,
        Failed::Limit(exceeded) => PropagateError::Exceeded(exceeded),
        Failed::Inner(error) => {
            let ours = Exceeded::find(&error).filter(|_| error.is_connect() && LimitReached::find(&error).is_some());
            ours.cloned().map_or_else(|| PropagateError::Inner(error.into()), PropagateError::Exceeded)
        }
    }
}

impl<R: Into<WithDeadline<Request>>> Service<R> for PropagateReqwest {
    type Response = Response;
    type Error = PropagateError;
    type Future = PropagateReqwestFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        // Whoever calls a service is not known to it.
        self.calling(request.into(), self.plan.layer.made)
    }
}

/// A request with a deadline beside it, for a type that has no extensions.
///
/// Of this deadline and the ambient one the sooner binds.
///
/// ```
/// use reqwest::{Client, Method, Request};
/// use std::time::Duration;
/// use tower_deadline::reqwest::WithDeadline;
/// use tower_deadline::{Deadline, PropagateError, PropagateLayer, Stage, now};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = PropagateLayer::new().reqwest().build(Client::builder())?;
/// let request = Request::new(Method::GET, "http://127.0.0.1:9/".parse()?);
/// let passed = Deadline::after(now(), Duration::ZERO);
/// match client.execute(WithDeadline::new(request, passed)).await {
///     Err(PropagateError::Exceeded(exceeded)) => assert_eq!(exceeded.stage(), Stage::Unsent),
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WithDeadline<R> {
    request: R,
    found: Extensions,
}

impl<R> WithDeadline<R> {
    /// This request, under this deadline.
    #[must_use]
    pub fn new(request: R, deadline: Deadline) -> Self {
        let mut found = Extensions::new();
        found.insert(deadline);
        Self { request, found }
    }

    /// The journey that the call is part of, where it is not the ambient one.
    #[must_use]
    pub fn journey(mut self, journey: Journey) -> Self {
        self.found.insert(journey);
        self
    }
}

impl From<Request> for WithDeadline<Request> {
    fn from(request: Request) -> Self {
        Self { request, found: Extensions::new() }
    }
}

type Calling = Pin<Box<dyn Future<Output = Result<Response, PropagateError>> + Send>>;

/// The response of [`PropagateReqwest`]. Dropping it cancels the call. It answers once, and is pending if it is
/// polled again.
#[must_use = "a call is made when its future is polled"]
pub struct PropagateReqwestFuture(Option<Calling>);

impl Future for PropagateReqwestFuture {
    type Output = Result<Response, PropagateError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(calling) = &mut self.0 else { return Poll::Pending };
        let polled = calling.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl fmt::Debug for PropagateReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagateReqwestFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::poll;
    use crate::{PropagateLayer, now};
    use std::time::Duration;

    #[test]
    fn the_client_and_its_calls_cross_threads() {
        fn crosses<T: Send + Sync + Clone + 'static>(_: &T) {}
        fn is_sent<T: Send + 'static>(_: &T) {}
        let client = PropagateLayer::new().reqwest().build(Client::builder()).unwrap();
        crosses(&client);
        is_sent(&client.execute(get()));
    }

    fn get() -> Request {
        Request::new(http::Method::GET, "http://shop.example/".parse().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_answered_once_and_polling_on_is_harmless() {
        let client = PropagateLayer::new().reqwest().build(Client::builder()).unwrap();
        let passed = Deadline::after(now(), Duration::ZERO);
        let mut calling = Box::pin(client.execute(WithDeadline::new(get(), passed)));
        assert!(poll(calling.as_mut()).is_ready());
        assert!(poll(calling.as_mut()).is_pending() && poll(calling.as_mut()).is_pending());
    }
}

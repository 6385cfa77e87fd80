//! Counting the requests of a route: how each was answered, and how long it took from its head to the end of its answer.
//!
//! Stands outside of everything that a route has, so that also the answers of its layers count. What no route takes is
//! counted by [`Tally`](super::Tally) alone.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Response, StatusCode};
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::now;

use super::Held;
use super::rested::Rested;
use crate::count::Routed;

/// Layer of [`RouteTally`]. See the module.
#[derive(Clone)]
pub(crate) struct RouteTallyLayer(Arc<Routed>);

impl RouteTallyLayer {
    /// Counts the requests of this route into what is installed by now.
    pub(crate) fn new(route: &str) -> Self {
        Self(Arc::new(Routed::new(route)))
    }
}

impl fmt::Debug for RouteTallyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteTallyLayer")
    }
}

impl<S> Layer<S> for RouteTallyLayer {
    type Service = RouteTally<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RouteTally { inner, layer: self.clone() }
    }
}

/// Counts the requests of a route. See the module.
#[derive(Clone, Debug)]
pub(crate) struct RouteTally<S> {
    inner: S,
    layer: RouteTallyLayer,
}

impl<S, R, B> Service<R> for RouteTally<S>
where
    S: Service<R, Response = Response<B>>,
{
    type Response = Response<RouteTallyBody<B>>;
    type Error = S::Error;
    type Future = RouteTallyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let open = Open { routed: Arc::clone(&self.layer.0), came: now(), status: None };
        RouteTallyFuture { inner: Rested::new(self.inner.call(request)), open: Some(open) }
    }
}

/// A response body that is passed on exactly (R14), and with which a request of a route ends.
type RouteTallyBody<B> = Held<B, Open>;

/// A request of a route that is under way. It is counted when this is dropped.
pub(crate) struct Open {
    routed: Arc<Routed>,
    came: Instant,
    status: Option<StatusCode>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.routed.ended(self.status, now().saturating_duration_since(self.came));
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("came", &self.came).finish_non_exhaustive()
    }
}

/// Future of [`RouteTally`].
#[pin_project]
#[derive(Debug)]
pub(crate) struct RouteTallyFuture<F> {
    #[pin]
    inner: Rested<F>,
    open: Option<Open>,
}

impl<F, B, E> Future for RouteTallyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<RouteTallyBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let mut open = this.open.take();
        open.iter_mut().for_each(|open| open.status = Some(response.status()));
        Poll::Ready(Ok(response.map(|inner| Held::new(inner, open))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::told;
    use deadline_testkit::{ScriptedBody, ScriptedError, Step};
    use http::Request;
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tokio::time::{advance, sleep};
    use tower::{ServiceExt, service_fn};

    const SECOND: Duration = Duration::from_secs(1);

    async fn answered(request: Request<()>) -> Result<Response<ScriptedBody>, ScriptedError> {
        sleep(SECOND).await;
        match request.uri().path() {
            "/fails" => Err(ScriptedError),
            _ => Ok(Response::new(ScriptedBody::new([Step::Data("a"), Step::Pause, Step::Data("b")]))),
        }
    }

    fn request(path: &str) -> Request<()> {
        Request::get(path).body(()).unwrap()
    }

    #[test]
    fn a_request_takes_from_its_head_to_the_end_of_its_answer_or_until_nobody_wants_it() {
        let told = told(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut service = RouteTallyLayer::new("shop").layer(service_fn(answered));
                // One second to the head, and two more to the end.
                let mut read = service.clone().oneshot(request("/")).await.unwrap();
                assert!(read.body_mut().frame().await.unwrap().is_ok());
                advance(2 * SECOND).await;
                read.into_body().collect().await.unwrap();
                // One, and it has no status.
                assert!(service.clone().oneshot(request("/fails")).await.is_err());
                let left = service.call(request("/"));
                advance(4 * SECOND).await;
                drop(left);
                // Under way.
                std::mem::forget(service.call(request("/")));
            });
        });
        for line in [
            r#"deadline_proxy_route_requests_total{route="shop",status="2xx"} 1"#,
            r#"deadline_proxy_route_requests_total{route="shop",status="none"} 2"#,
            r#"deadline_proxy_route_seconds_count{route="shop"} 3"#,
            r#"deadline_proxy_route_seconds_sum{route="shop"} 8"#,
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
    }
}

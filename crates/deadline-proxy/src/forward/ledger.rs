//! Who is told where the time of a request went.
//!
//! Covers the answers to clients of a listener at the [edge](crate::client::Side::Edge) who are not trusted: what hops told
//! in `Server-Timing`, in the head or in trailers, is removed from them unless the policy of the route is `public`, whoever
//! wrote it: this hop, those behind it, or a backend that makes it up. Metrics of other names stay.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::Ledger;
use tower_deadline::dialect::server_timing::strip;

use super::edge::Stranger;

/// Applies [`Told`]; see the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerLayer(Ledger);

impl LedgerLayer {
    /// For the requests of a policy that says this.
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self(ledger)
    }
}

impl<S> Layer<S> for LedgerLayer {
    type Service = Told<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Told { inner, ledger: self.0 }
    }
}

/// Removes what is not for strangers; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Told<S> {
    inner: S,
    ledger: Ledger,
}

impl<S, RB, B> Service<Request<RB>> for Told<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<ToldBody<B>>;
    type Error = S::Error;
    type Future = ToldFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let is_stranger = request.extensions().get::<Stranger>().is_some();
        ToldFuture { inner: self.inner.call(request), is_stripped: is_stranger && self.ledger != Ledger::Public }
    }
}

/// Future of [`Told`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub(crate) struct ToldFuture<F> {
    #[pin]
    inner: F,
    is_stripped: bool,
}

impl<F, B, E> Future for ToldFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ToldBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let is_stripped = *this.is_stripped;
        // Not taken out of its poll: it would be moved for that.
        this.inner.poll(cx).map_ok(|mut response| {
            if is_stripped {
                strip(response.headers_mut());
            }
            response.map(|inner| ToldBody { inner, is_stripped })
        })
    }
}

/// A response body that is passed on exactly (R14), but for what trailers tell.
#[pin_project]
#[derive(Debug)]
pub(crate) struct ToldBody<B> {
    #[pin]
    inner: B,
    is_stripped: bool,
}

impl<B: Body> Body for ToldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let mut frame = ready!(this.inner.poll_frame(cx));
        if *this.is_stripped
            && let Some(Ok(frame)) = &mut frame
        {
            frame.trailers_mut().into_iter().for_each(strip);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Side, Strangers};
    use crate::forward::ReceiveLayer;
    use crate::forward::tests::{STRANGER, TRUSTED, lines, request, settings};
    use deadline_testkit::{ScriptedBody, Step};
    use http::HeaderMap;
    use http_body_util::BodyExt;
    use std::convert::Infallible;
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_deadline::dialect::server_timing::SERVER_TIMING;

    const TOLD: &str = "db;dur=5, hop.orders;dur=9;desc=\"own=9\"";

    /// What a client on this side gets, in the head and in trailers.
    async fn told(ledger: Ledger, peer: &str, side: Side) -> [Vec<String>; 2] {
        let mut request = request(peer, &[]);
        if let Some(client) = request.extensions_mut().get_mut::<Client>() {
            client.side = side;
        }
        let inner = ServiceBuilder::new().layer(LedgerLayer::new(ledger)).service(service_fn(async |_: Request<()>| {
            let told = HeaderMap::from_iter([(SERVER_TIMING.clone(), TOLD.parse().unwrap())]);
            let mut response = Response::new(ScriptedBody::new([Step::Data("a"), Step::Trailers(told.clone())]));
            *response.headers_mut() = told;
            Ok::<_, Infallible>(response)
        }));
        let layer = ReceiveLayer::new(&settings(), "edge").unwrap();
        let answer = layer.layer(inner).oneshot(request).await.unwrap();
        let head = lines(answer.headers(), SERVER_TIMING.as_str());
        let whole = answer.into_body().collect().await.unwrap();
        let trailers = whole.trailers().map(|trailers| lines(trailers, SERVER_TIMING.as_str()));
        assert_eq!(whole.to_bytes(), "a");
        [head, trailers.unwrap_or_default()]
    }

    #[tokio::test]
    async fn strangers_are_told_by_a_public_policy_only_and_those_inside_always() {
        let edge = Side::Edge(Strangers::Cap);
        for (ledger, peer, side, is_told) in [
            (Ledger::Inside, STRANGER, edge, false),
            (Ledger::Inside, STRANGER, Side::Edge(Strangers::Drop), false),
            (Ledger::Off, STRANGER, edge, false),
            (Ledger::Public, STRANGER, edge, true),
            (Ledger::Inside, TRUSTED, edge, true),
            (Ledger::Off, TRUSTED, edge, true),
            (Ledger::Inside, STRANGER, Side::Internal, true),
            (Ledger::Off, STRANGER, Side::Internal, true),
        ] {
            let expected = if is_told { TOLD } else { "db;dur=5" };
            assert_eq!(told(ledger, peer, side).await, [[expected], [expected]], "{ledger:?} {peer} {side:?}");
        }
    }
}

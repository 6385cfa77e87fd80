//! The layer and its service.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{HeaderName, Request, Response, StatusCode, Version};
use http_deadline::dialect::Call;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::fields::{Broken, strip};
use super::upgrade::{Protocol, UpgradePolicy};
use crate::{AnswerBody, Answers};

/// Applies [`HopByHop`]; see the [module](crate::hop_by_hop).
#[derive(Clone, Debug, Default)]
pub struct HopByHopLayer {
    upgrade: UpgradePolicy,
    answers: Answers,
}

impl HopByHopLayer {
    /// Strips both directions, and treats upgrades like this.
    #[must_use]
    pub fn new(upgrade: UpgradePolicy) -> Self {
        Self { upgrade, answers: Answers::new() }
    }

    /// Answers in this way.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }

    /// What the layer does to a request, for whoever has no use for a service around a service.
    ///
    /// ```
    /// use http::Request;
    /// use tower_deadline::dialect::Call;
    /// use tower_deadline::hop_by_hop::{HopByHopLayer, Stripped};
    ///
    /// let layer = HopByHopLayer::default();
    /// let mut request = Request::get("/").header("connection", "x-own").header("x-own", "1").body(())?;
    /// let call = Call::of(request.headers());
    /// let Ok(Stripped { named, .. }) = layer.strip_request(&mut request, call) else { panic!("nothing is wrong with it") };
    /// assert!(request.headers().is_empty() && named == ["x-own"]);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The answer, in the words of this kind of call, to a request that does not go through.
    pub fn strip_request<B>(&self, request: &mut Request<B>, call: Call) -> Result<Stripped, Box<Response<Bytes>>> {
        let asked = self.upgrade.protocol(request).cloned();
        let named = self.check(request, call)?;
        asked.iter().for_each(|asked| asked.write(request.headers_mut()));
        Ok(Stripped { named, asked })
    }

    /// What the layer does to a response to a request that asked for this, and was this kind of call. Returns the names
    /// that have to go from its trailers, as [`named_by_connection`](super::named_by_connection) does.
    ///
    /// # Errors
    ///
    /// The answer in its place, where whoever sent it is broken (R32, R35).
    pub fn strip_response<B>(
        &self,
        response: &mut Response<B>,
        asked: Option<&Protocol>,
        call: Call,
    ) -> Result<Vec<HeaderName>, Box<Response<Bytes>>> {
        let broken = |detail: String| self.answers.failure(StatusCode::BAD_GATEWAY, &detail, call).into();
        returned(response, asked).map_err(broken)
    }

    /// What `Connection` named, or the answer to a request that does not go through.
    fn check<B>(&self, request: &mut Request<B>, call: Call) -> Result<Vec<HeaderName>, Box<Response<Bytes>>> {
        // RFC 9110 §7.8: in a request of HTTP/1.0 the field says nothing.
        let wishes = || request.headers().contains_key(UPGRADE) && request.version() > Version::HTTP_10;
        if self.upgrade == UpgradePolicy::Reject && wishes() {
            let detail = "upgrade: this route carries no other protocol";
            return Err(self.answers.failure(StatusCode::NOT_IMPLEMENTED, detail, call).into());
        }
        strip(request.headers_mut()).map_err(|broken| {
            let status = match broken {
                Broken::Coded => StatusCode::NOT_IMPLEMENTED,
                Broken::Protected(_) | Broken::TooMany => StatusCode::BAD_REQUEST,
            };
            self.answers.failure(status, &broken.to_string(), call).into()
        })
    }
}

/// What is left to know of a request that [was stripped](HopByHopLayer::strip_request).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stripped {
    /// The names that have to go from its trailers, as [`named_by_connection`](super::named_by_connection) tells them.
    pub named: Vec<HeaderName>,
    /// What the upstream may switch to.
    pub asked: Option<Protocol>,
}

impl<S> Layer<S> for HopByHopLayer {
    type Service = HopByHop<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HopByHop { inner, layer: self.clone() }
    }
}

/// Strips what concerns one connection only; see the [module](crate::hop_by_hop).
#[derive(Clone, Debug)]
pub struct HopByHop<S> {
    inner: S,
    layer: HopByHopLayer,
}

impl<S, RB, B> Service<Request<RB>> for HopByHop<S>
where
    S: Service<Request<RB>, Response = Response<B>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = HopByHopFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let call = Call::of(request.headers());
        let (state, asked) = match self.layer.strip_request(&mut request, call) {
            Ok(Stripped { asked, .. }) => (State::Sent(self.inner.call(request)), asked),
            Err(answer) => (State::Refused(Some(*answer)), None),
        };
        HopByHopFuture { state, call, answers: self.layer.answers.clone(), asked }
    }
}

/// The response of [`HopByHop`]. Dropping it cancels the inner service's.
#[pin_project]
#[derive(Debug)]
pub struct HopByHopFuture<F> {
    #[pin]
    state: State<F>,
    call: Call,
    answers: Answers,
    /// What the upstream may switch to.
    asked: Option<Protocol>,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
enum State<F> {
    Sent(#[pin] F),
    /// `None` once it was told.
    Refused(Option<Response<Bytes>>),
}

impl<F, B, E> Future for HopByHopFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let outcome = match this.state.as_mut().project() {
            StateProjection::Refused(answer) => match answer.take() {
                Some(answer) => return Poll::Ready(Ok(answer.map(AnswerBody::from))),
                None => return Poll::Pending,
            },
            StateProjection::Sent(inner) => ready!(inner.poll(cx)),
        };
        // The inner future ends with its answer, whoever keeps this one.
        this.state.set(State::Refused(None));
        let mut head = outcome?;
        Poll::Ready(Ok(match returned(&mut head, this.asked.as_ref()) {
            Ok(_) => head.map(AnswerBody::Inner),
            Err(detail) => this.answers.failure(StatusCode::BAD_GATEWAY, &detail, *this.call).map(AnswerBody::from),
        }))
    }
}

/// Strips a response, or tells why it does not go through: whoever sent it is broken (R32, R35).
fn returned<B>(head: &mut Response<B>, asked: Option<&Protocol>) -> Result<Vec<HeaderName>, String> {
    let switched = switched(head, asked)?;
    let named = strip(head.headers_mut()).map_err(|broken| format!("the upstream's {broken}"))?;
    if let Some(protocol) = switched {
        // RFC 9110 §8.6: a 101 has no length, and whoever believed one would take the tunnel for a body.
        head.headers_mut().remove(CONTENT_LENGTH);
        protocol.write(head.headers_mut());
    }
    Ok(named)
}

/// What the upstream has switched to, if it has.
fn switched<'a, B>(head: &Response<B>, asked: Option<&'a Protocol>) -> Result<Option<&'a Protocol>, String> {
    match asked {
        _ if head.status() != StatusCode::SWITCHING_PROTOCOLS => Ok(None),
        None => Err("the upstream switched to a protocol that it was not asked for".to_owned()),
        Some(asked) if asked.is_agreed(head.headers()) => Ok(Some(asked)),
        Some(asked) => Err(format!("the upstream was asked for {asked} and switched to something else")),
    }
}

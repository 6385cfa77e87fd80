//! The passage of a request, from its deadline to its attempts and back.
//!
//! Covers what a route does to each request between the two, and to each answer: [`Steps`], in the order in which they
//! stand. A step is a function that changes the head or answers in the place of the upstream; what it has begun and what
//! has to outlive the head stands in the one future, and then in the one body. So a message is moved once, and its body
//! asked once, however many steps there are.
//!
//! Stops whatever waits when everything is stopped: before its head a request is answered (503, or code 14 of gRPC and its
//! kin), and after it its message is broken off in a way that nobody takes for its end, or ended in the words of its
//! protocol (R13). One that comes after that is not called. A body that is not read is let go of at the deadline (R13b).
//!
//! Inside of [`DeadlineLayer`](tower_deadline::DeadlineLayer), whose deadline is told of.

mod answer;
mod request;
#[cfg(test)]
pub(in crate::proxy) mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Version};
use http_body::Body;
use pin_project::pin_project;
use tower::{Layer, Service};
use tower_deadline::dialect::Call;
use tower_deadline::enforce::Status;
use tower_deadline::hop_by_hop::Protocol;
use tower_deadline::{AnswerBody, Answers, BodyError, BoxError, HopByHopLayer, PropagateError, Stage};

use self::answer::Answer;
pub(super) use self::answer::PassageBody;
pub(super) use self::request::PassedBody;
use super::gateway::Gateway;
use super::lookout::Lookout;
use super::stall::Stalled;
use super::stop::Stoppable;
use super::tunnel::{Handshake, Opener, Switched};
use crate::forward::ForwardLayer;
use crate::limits::{self, BodyRate, HeadCount, InFlight, Rate, Verdict};
use crate::noted::Noted;
use crate::route::Rewriter;

/// What happens to a request on its passage, from the first to the last; to its answer, the other way round.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) lookout: Lookout,
    pub(super) answers: Answers,
    pub(super) head_count: HeadCount,
    /// How long a client may take nothing after the deadline, until its connection is closed.
    pub(super) write_stall: Duration,
    pub(super) in_flight: InFlight,
    pub(super) body_rate: BodyRate,
    pub(super) tunnel: Opener,
    pub(super) hop_by_hop: HopByHopLayer,
    pub(super) forward: ForwardLayer,
    pub(super) rewrite: Rewriter,
    pub(super) gateway: Gateway,
}

/// The answer in the place of the upstream.
type Refused = Box<Response<Bytes>>;

/// What a body is held to, and what has to go from its trailers.
type Held = (Option<(Rate, Arc<Verdict>)>, Vec<HeaderName>);

/// What a request has begun, and what its answer is held to.
#[derive(Debug)]
struct Begun {
    call: Call,
    version: Version,
    room: Option<limits::Place>,
    verdict: Option<Arc<Verdict>>,
    handshake: Option<Box<Handshake>>,
    asked: Option<Protocol>,
}

impl Steps {
    /// Does to a request what is to be done before its attempts. Returns what is to be done to its body.
    fn begin<RB: Body>(&self, request: &mut Request<RB>, begun: &mut Begun) -> Result<Held, Refused> {
        let call = begun.call;
        self.head_count.check(request)?;
        begun.room = self.in_flight.enter(|| call)?;
        let watched = self.body_rate.watch(call, request.body());
        begun.verdict = watched.as_ref().map(|(_, verdict)| Arc::clone(verdict));
        begun.handshake = self.tunnel.begin(request)?;
        let stripped = self.hop_by_hop.strip_request(request, call)?;
        begun.asked = stripped.asked;
        self.forward.write(request)?;
        self.rewrite.rewrite(request)?;
        self.gateway.check(request, call)?;
        // Most requests have no body, and so no trailers.
        let named = if request.body().is_end_stream() { Vec::new() } else { stripped.named };
        Ok((watched, named))
    }

    /// The answer to a request that is stopped in this stage, or in the one that is open.
    fn stopped<B: Send>(&self, body: &PassageBody<B>, stage: Stage, call: Call) -> Response<Bytes> {
        let exceeded = body.stoppable().stop(stage);
        self.answers.exceeded(&exceeded, StatusCode::SERVICE_UNAVAILABLE, call)
    }
}

/// Layer of [`Passage`]. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct PassageLayer(Arc<Steps>);

impl PassageLayer {
    /// Of these steps.
    pub(super) fn new(steps: Steps) -> Self {
        Self(Arc::new(steps))
    }
}

impl<S> Layer<S> for PassageLayer {
    type Service = Passage<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Passage { inner, steps: Arc::clone(&self.0) }
    }
}

/// The passage of a route. See the module.
#[derive(Clone, Debug)]
pub(super) struct Passage<S> {
    inner: S,
    steps: Arc<Steps>,
}

impl<S, RB, B> Service<Request<RB>> for Passage<S>
where
    S: Service<Request<PassedBody<RB>>, Response = Response<B>, Error = PropagateError>,
    RB: Body<Error: Into<BoxError>>,
    B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    type Response = Response<PassageBody<B>>;
    type Error = PropagateError;
    type Future = PassageFuture<S::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let (steps, extensions) = (&self.steps, request.extensions());
        let noted = Noted::of(extensions);
        let stoppable = Stoppable::new(extensions, noted);
        stoppable.admitted();
        let hangup = noted.and_then(|noted| noted.hangup.clone());
        let stalled = hangup.map(|hangup| Stalled { hangup, limit: steps.write_stall });
        let body = PassageBody::asked(&steps.lookout, stoppable, stalled);
        let (call, version) = (Call::of(request.headers()), request.version());
        let mut begun = Begun { call, version, room: None, verdict: None, handshake: None, asked: None };
        let state = if steps.lookout.has_begun() {
            State::Refused(Some(steps.stopped(&body, Stage::Arrival, call).into()))
        } else {
            match steps.begin(&mut request, &mut begun) {
                Ok((watched, named)) => {
                    let request = request.map(|body| PassedBody::new(body, watched, named));
                    State::Sent(self.inner.call(request))
                }
                Err(answer) => State::Refused(Some(answer)),
            }
        };
        PassageFuture { state, under_way: Some(UnderWay { body, begun, steps: Arc::clone(steps) }) }
    }
}

/// Future of [`Passage`]. Dropping it cancels the attempts, opens no tunnel, and makes room.
#[pin_project]
pub(super) struct PassageFuture<F, B: Send + 'static> {
    #[pin]
    state: State<F>,
    /// `None` once it was told.
    under_way: Option<UnderWay<B>>,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Sent(#[pin] F),
    /// `None` once it was told.
    Refused(Option<Refused>),
}

impl<F, B> Future for PassageFuture<F, B>
where
    F: Future<Output = Result<Response<B>, PropagateError>>,
    B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    type Output = Result<Response<PassageBody<B>>, PropagateError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(under_way) = this.under_way.as_mut() else { return Poll::Pending };
        let outcome = match this.state.as_mut().project() {
            StateProjection::Sent(inner) => {
                let polled = inner.poll(cx);
                ready!(under_way.judge(polled, cx))
            }
            StateProjection::Refused(answer) => match answer.take() {
                Some(answer) => Ok(under_way.instead(*answer)),
                None => return Poll::Pending,
            },
        };
        // The exchange with the upstream ends before the client is told.
        this.state.set(State::Refused(None));
        let Some(UnderWay { body, .. }) = this.under_way.take() else { return Poll::Pending };
        Poll::Ready(outcome.map(|head| head.map(|()| body)))
    }
}

/// What there is of a request that is not answered yet.
struct UnderWay<B: Send + 'static> {
    body: PassageBody<B>,
    begun: Begun,
    steps: Arc<Steps>,
}

impl<B: Body<Data = Bytes> + Send + 'static> UnderWay<B> {
    /// What the client is told of what came of the attempts, as far as anything has.
    fn judge(
        &mut self,
        polled: Poll<Result<Response<B>, PropagateError>>,
        cx: &Context<'_>,
    ) -> Poll<Result<Response<()>, PropagateError>> {
        let Begun { call, version, verdict, .. } = &self.begun;
        // What is said of a body that we have broken off is not the client's answer.
        if verdict.as_ref().is_some_and(|verdict| verdict.is_too_slow(cx)) {
            let answer = self.steps.body_rate.too_slow(*version, *call);
            return Poll::Ready(Ok(self.instead(answer)));
        }
        let answer = match polled {
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(self.end(response))),
            Poll::Ready(Err(stopped)) => match self.steps.gateway.answer(&stopped, *call) {
                Some(answer) => answer,
                None => return Poll::Ready(Err(stopped)),
            },
            // A head that is there is delivered: its body is stopped, if it is to be.
            Poll::Pending => {
                ready!(self.body.poll_stopped(cx));
                self.steps.stopped(&self.body, Stage::Handler, *call)
            }
        };
        Poll::Ready(Ok(self.instead(answer)))
    }

    /// Does to the answer of the upstream what is to be done before it goes back. Its body stays here.
    fn end(&mut self, mut response: Response<B>) -> Response<()> {
        let Self { begun, steps, .. } = self;
        let named = match steps.hop_by_hop.strip_response(&mut response, begun.asked.as_ref(), begun.call) {
            Ok(named) => named,
            Err(answer) => return self.instead(*answer),
        };
        let handshake = begun.handshake.take().map_or(Ok(Switched::No), |handshake| handshake.finish(&mut response));
        let switched = match handshake {
            Ok(switched) => switched,
            Err(answer) => return self.instead(*answer),
        };
        let (status, _room) = (Status::of(&response, begun.version), begun.room.take());
        let (head, body) = response.into_parts();
        let body = if switched == Switched::Yes { AnswerBody::default() } else { AnswerBody::Inner(body) };
        self.body.answered(Answer { body, status, named, _room });
        Response::from_parts(head, ())
    }

    /// An answer of ours, in the place of the upstream's.
    fn instead(&mut self, mut answer: Response<Bytes>) -> Response<()> {
        let handshake = self.begun.handshake.take();
        // To who asked for a tunnel, each 2xx may say that there is one.
        if let Some(Err(other)) = handshake.map(|handshake| handshake.finish(&mut answer)) {
            answer = *other;
        }
        let (status, named, _room) = (Status::default(), Vec::new(), self.begun.room.take());
        answer.map(|body| self.body.answered(Answer { body: AnswerBody::from(body), status, named, _room }))
    }
}

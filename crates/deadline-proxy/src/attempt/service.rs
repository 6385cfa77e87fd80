//! The service that makes the attempts of a request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower::Service;
use tower::util::ServiceExt;
use tower_deadline::{BoxError, PropagateError};

use super::course::{Again, Answer, Course, Then};
use super::lent::Lent;
use super::minute::Period;
use super::plan::{Plan, Step};
use super::replay::Replay;
use crate::count::Attempt;

/// Makes the attempts of a request; see the [module](crate::attempt).
#[derive(Debug)]
pub(crate) struct Attempts<S> {
    /// As in what is shared. It is called here, and so not cloned for each request.
    first: S,
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    plan: Arc<Plan>,
    first: S,
    further: Box<[S]>,
}

impl<S: Clone> Clone for Attempts<S> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: Clone> Attempts<S> {
    /// Calls a service of its own for each upstream of the chain, which has to be ready at once.
    pub(crate) fn new(plan: &Arc<Plan>, mut service: impl FnMut(&Step) -> S) -> Self {
        let (first, further) = (service(&plan.first), plan.further.iter().map(service).collect());
        Self { first: first.clone(), shared: Arc::new(Shared { plan: Arc::clone(plan), first, further }) }
    }
}

impl<S> Shared<S> {
    fn service(&self, at: usize) -> &S {
        at.checked_sub(1).and_then(|at| self.further.get(at)).unwrap_or(&self.first)
    }
}

impl<S, RB, B> Service<Request<RB>> for Attempts<S>
where
    S: Service<Request<Replay<RB>>, Response = Response<B>, Error = PropagateError, Future: Send>,
    S: Clone + Send + Sync + 'static,
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Response = Response<B>;
    type Error = PropagateError;
    type Future = AttemptsFuture<S, RB, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RB>) -> Self::Future {
        let Self { first, shared } = self;
        let (request, ahead) = begin(&shared.plan, request);
        // It is ready at once.
        let first = First { future: first.call(request), ahead };
        AttemptsFuture { shared: Arc::clone(shared), state: State::First(Box::pin(first)) }
    }
}

/// What may follow the first attempt of a request.
enum Ahead<RB> {
    Nothing,
    /// The same again, if it comes back: it has no body, and began then.
    Resend(Lent, Period),
    Course(Box<Course<RB>>),
}

impl<RB> Ahead<RB>
where
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// What follows an answer, if that may not be all.
    fn course<B>(self, plan: &Arc<Plan>, answer: &mut Answer<B>) -> Option<Box<Course<RB>>> {
        match self {
            Self::Nothing => None,
            Self::Resend(lent, since) => {
                let head = answer.as_mut().err().and_then(|error| lent.back(error))?;
                Some(Box::new(Course::resumed(plan, head, since)))
            }
            Self::Course(course) => Some(course),
        }
    }
}

/// The first attempt of a request, and what may follow it.
fn begin<RB>(plan: &Arc<Plan>, request: Request<RB>) -> (Request<Replay<RB>>, Ahead<RB>)
where
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    if !plan.goes_on(&request) {
        plan.first.burden.ask(Attempt::First, Period::default());
        tracing::debug!(target: "explain", "attempt: 1: {}, and no other", plan.first.burden.name());
        return (request.map(Replay::Once), Ahead::Nothing);
    }
    let is_heard = tracing::enabled!(target: "explain", tracing::Level::DEBUG);
    if plan.is_plain() && plan.first.limit.is_none() && !is_heard && request.body().is_end_stream() {
        let since = plan.first.burden.ask(Attempt::First, Period::default());
        let lent = Lent::of(request.extensions());
        return (request.map(|_| Replay::Empty), Ahead::Resend(lent, since));
    }
    let mut course = Box::new(Course::new(plan, request));
    (course.request(Attempt::First), Ahead::Course(course))
}

/// The answer of one of the upstreams. Dropping it cancels the attempt that is under way, and makes no other.
#[pin_project]
pub(crate) struct AttemptsFuture<S, RB, B>
where
    S: Service<Request<Replay<RB>>>,
{
    shared: Arc<Shared<S>>,
    #[pin]
    state: State<S, RB, B>,
}

/// The first attempt, and what may follow it.
#[pin_project]
struct First<F, RB> {
    #[pin]
    future: F,
    ahead: Ahead<RB>,
}

#[pin_project(project = StateProjection)]
enum State<S, RB, B>
where
    S: Service<Request<Replay<RB>>>,
{
    /// Boxed: some kilobytes, which every layer around would move again and again.
    First(Pin<Box<First<S::Future, RB>>>),
    Further(Pin<Box<dyn Future<Output = Answer<B>> + Send>>),
    /// It has ended.
    Done,
}

impl<S, RB, B> Future for AttemptsFuture<S, RB, B>
where
    S: Service<Request<Replay<RB>>, Response = Response<B>, Error = PropagateError, Future: Send>,
    S: Clone + Send + Sync + 'static,
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Output = Answer<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            // Not taken out of its poll: it would be moved for that.
            let mut polled;
            let ahead = match this.state.as_mut().project() {
                StateProjection::First(first) => {
                    let first = first.as_mut().project();
                    polled = first.future.poll(cx);
                    first.ahead
                }
                StateProjection::Further(further) => {
                    let answer = ready!(further.as_mut().poll(cx));
                    this.state.set(State::Done);
                    return Poll::Ready(answer);
                }
                StateProjection::Done => return Poll::Pending,
            };
            let Poll::Ready(answer) = &mut polled else { return Poll::Pending };
            let ahead = std::mem::replace(ahead, Ahead::Nothing);
            // Nothing of it is left before another one begins.
            this.state.set(State::Done);
            let Some(mut course) = ahead.course(&this.shared.plan, answer) else { return polled };
            match course.after(ready!(polled)) {
                Then::Done(answer) => return Poll::Ready(answer),
                Then::Again(again) => {
                    let further = further(Arc::clone(this.shared), course, again);
                    this.state.set(State::Further(Box::pin(further)));
                }
            }
        }
    }
}

async fn further<S, RB, B>(shared: Arc<Shared<S>>, mut course: Box<Course<RB>>, mut again: Again) -> Answer<B>
where
    S: Service<Request<Replay<RB>>, Response = Response<B>, Error = PropagateError> + Clone,
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    loop {
        let request = course.again(again).await;
        let answer = shared.service(course.link()).clone().oneshot(request).await;
        match course.after(answer) {
            Then::Done(answer) => return answer,
            Then::Again(next) => again = next,
        }
    }
}

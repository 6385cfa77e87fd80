//! One call: attempt after attempt, each with a fresh field, all within one deadline.
//!
//! Covers the loop over redirects and refused requests (R22), what bounds it, and the response that it yields.
//! Does not know what sends a request: a client, or the rest of a chain of middleware.

use std::error::Error;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, HeaderMap};
use http_deadline::{Ambient, Deadline, Journey, Origin, Policy, Stage};
use reqwest::{Request, Response, Url};

use super::limits::{Limit, LimitReached};
use super::read::until_head;
use super::redirect::Redirects;
use super::refused::{AT_MOST, is_refused};
use super::response::{Followed, finished};
use super::spans::{Chain, Spans};
use super::spare::Spare;
use crate::propagate::Bounds;
use crate::propagate::trace::{Calling, Telling, within};
use crate::trace::CallSpan;
use crate::watch::Watch;
use crate::{Exceeded, PropagateError, PropagateLayer, local_limit, now};

/// How calls are made. It is shared by all of them.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layer: PropagateLayer,
    pub(super) connect: Option<LimitReached>,
    pub(super) read: Option<LimitReached>,
    pub(super) redirects: Redirects,
    pub(super) default_headers: HeaderMap,
    /// For calls that are part of no journey.
    pub(super) policy: Arc<Policy>,
    /// The line that made the client.
    pub(super) made: Origin,
}

/// What sends one request.
pub(super) trait Transport: Send {
    /// Its own error.
    type Error: Error + Send + Sync + 'static;

    /// Sends it, and does not redirect.
    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, Self::Error>> + Send;
}

impl Transport for reqwest::Client {
    type Error = reqwest::Error;

    fn send(&mut self, request: Request) -> impl Future<Output = Result<Response, Self::Error>> + Send {
        self.execute(request)
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failed<E> {
    /// The deadline, or something else that this call was held to.
    Held(PropagateError),
    /// A limit within the deadline.
    Limit(Exceeded),
    Inner(E),
}

impl<E: Error + 'static> Failed<E> {
    /// Tells it in the span of the last attempt.
    fn tell(&self, span: CallSpan) {
        match self {
            Self::Held(error) => span.held(error),
            Self::Limit(exceeded) => span.stopped(exceeded),
            Self::Inner(error) => span.failed(&Chain(error)),
        }
    }

    /// The stage in which a limit within the deadline was reached, whoever tells of it: one of a connection comes
    /// back as an error of the client.
    fn at_limit(&self) -> Option<Stage> {
        match self {
            Self::Held(_) => None,
            Self::Limit(exceeded) => Some(exceeded.stage()),
            Self::Inner(error) => {
                let reached = LimitReached::find(error).filter(|reached| reached.limit() != Limit::Total);
                reached.and_then(|_| Exceeded::find(error)).map(Exceeded::stage)
            }
        }
    }
}

/// One call. Dropping its future cancels it.
#[derive(Debug)]
pub(super) struct Call {
    plan: Arc<Plan>,
    bounds: Option<Bounds>,
    /// The journey that the call is part of.
    around: Option<Journey>,
    /// The stages of this call alone; they show in the journey that it is part of.
    journey: Journey,
    /// Who is told what happens in it.
    telling: Option<Telling>,
    spans: Spans,
}

impl Call {
    /// A call of `request` that is held to what `found` says: an explicit deadline and journey, beside the
    /// ambient ones. Asks for both now, in the task that calls. `site`: the line that is told where there is no deadline.
    pub(super) fn new(
        plan: &Arc<Plan>,
        request: &mut Request,
        found: &Extensions,
        site: &'static Location<'static>,
    ) -> Result<Self, PropagateError> {
        // reqwest's own timeout of a request would start anew with each attempt.
        let asked = request.timeout_mut().take();
        let asked = asked.map(|timeout| Deadline::after(now(), timeout).with_origin(plan.made));
        let own = plan.layer.own().into_iter().chain(asked).reduce(Deadline::sooner);
        let bounds = plan.layer.wanted(Bounds::of(found, None, own), found, site)?;
        if let Some(bounds) = &bounds {
            plan.compare_parts(bounds.deadline());
        }
        // A request without a deadline is a journey all the same.
        let around: Option<Journey> = found.get().or(Ambient::current().journey()).cloned();
        let alone = || Journey::new(Arc::clone(&plan.policy), false);
        let journey = around.as_ref().map_or_else(alone, Journey::part);
        plan.complete(request.headers_mut());
        // Who hears of the attempts is there before anybody asks who does.
        let spans = Spans::of(&journey);
        let telling = plan.layer.traced.begin(Some(&journey), bounds.as_ref().map(Bounds::deadline));
        Ok(Self { plan: Arc::clone(plan), bounds, around, journey, telling, spans })
    }

    /// Makes the call.
    pub(super) async fn make<T: Transport>(
        self,
        mut transport: T,
        request: Request,
    ) -> Result<Response, Failed<T::Error>> {
        let mut watch = self.bounds.as_ref().and_then(Bounds::watch);
        let home = request.url().origin();
        let outcome = self.within(&mut watch, self.attempts(&mut transport, request)).await;
        let span = self.spans.take();
        let response = match outcome {
            Ok(response) => response,
            Err(failed) => {
                span.into_iter().for_each(|span| failed.tell(span));
                return Err(failed);
            }
        };
        let is_home = response.url().origin() == home;
        let bounds = self.bounds.map(|bounds| if is_home { bounds } else { bounds.of_a_stranger() });
        Ok(finished(response, bounds, watch, &self.plan, (self.telling, span)))
    }

    /// Polls the attempts with the deadline ambient, and ends them at it.
    async fn within<E: Error + 'static>(
        &self,
        watch: &mut Option<Watch>,
        attempts: impl Future<Output = Result<Response, Failed<E>>>,
    ) -> Result<Response, Failed<E>> {
        let _open = self.journey.enter(Stage::Upstream);
        let deadline = self.bounds.as_ref().map(Bounds::deadline);
        let mut ambient = Ambient::new(deadline, self.around.clone());
        let mut attempts = pin!(attempts);
        poll_fn(|cx| {
            let call = Calling { journey: Some(self.journey.clone()), telling: self.telling.clone() };
            let polled = ambient.run(|| within(call, || attempts.as_mut().poll(cx)));
            // R11: value before timer; but of two limits at one instant the deadline is told.
            let stage = match &polled {
                Poll::Pending => Some(self.journey.stage()),
                Poll::Ready(Err(failed)) => failed.at_limit(),
                Poll::Ready(Ok(_)) => None,
            };
            let expired = stage.and_then(|stage| self.expired(stage, watch, cx));
            expired.map_or(polled, |failed| Poll::Ready(Err(failed)))
        })
        .await
    }

    fn expired<E>(&self, stage: Stage, watch: &mut Option<Watch>, cx: &mut Context<'_>) -> Option<Failed<E>> {
        let watch = watch.as_mut()?;
        let expired = watch.poll_expired(cx).is_ready();
        expired.then(|| Failed::Held(PropagateError::Exceeded(watch.exceeded_in(stage))))
    }

    async fn attempts<T: Transport>(
        &self,
        transport: &mut T,
        mut request: Request,
    ) -> Result<Response, Failed<T::Error>> {
        let home = request.url().clone();
        let (mut followed, mut refused, mut withheld) = (0, 0, false);
        loop {
            if let Some(spent) = self.write(&mut request, &home).filter(|_| !withheld) {
                self.plan.layer.withhold(spent).map_err(Failed::Held)?;
                // It would have ended here: it is counted once, however far it goes on.
                withheld = true;
            }
            let spare = Spare::of(&request);
            let again = match self.attempt(transport, request).await {
                Ok(response) => {
                    let next = self.plan.redirects.next(&response, spare, followed);
                    let next = next.map_err(|error| Failed::Held(PropagateError::Inner(error.into())))?;
                    let Some(next) = next else { return Ok(response) };
                    self.spans.redirected(response.status());
                    followed += 1;
                    next
                }
                Err(Failed::Inner(error)) if refused < AT_MOST && is_refused(&error) => {
                    refused += 1;
                    self.spans.refused(&error);
                    spare.replay().ok_or(Failed::Inner(error))?
                }
                Err(failed) => return Err(failed),
            };
            request = again;
        }
    }

    /// Writes what is left now (R2), or nothing where others than those that were called would see it. Returns what
    /// nothing is left of.
    fn write(&self, request: &mut Request, home: &Url) -> Option<&Bounds> {
        let layer = &self.plan.layer;
        let spent = self.bounds.as_ref().filter(|bounds| !layer.write_left(request.headers_mut(), bounds));
        if self.bounds.is_none() || request.url().origin() != home.origin() {
            layer.dialects.strip(request.headers_mut());
        }
        spent
    }

    async fn attempt<T: Transport>(
        &self,
        transport: &mut T,
        mut request: Request,
    ) -> Result<Response, Failed<T::Error>> {
        let asked = request.url().clone();
        self.plan.layer.sends(self.around.as_ref().map(|around| around.policy().name()));
        let deadline = self.bounds.as_ref().map(Bounds::deadline);
        self.spans.begin(&mut request, self.around.as_ref(), deadline);
        let told = self.told(&asked, self.spans.within(transport.send(request)));
        let sent = until_head(told, self.plan.read).await;
        let mut response = sent.map_err(Failed::Limit)?.map_err(Failed::Inner)?;
        Followed::note(&asked, &mut response);
        Ok(response)
    }

    /// Tells what happens in this attempt, if anybody wants to know.
    async fn told<T, E>(&self, asked: &Url, sent: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(telling) = &self.telling else { return sent.await };
        telling.again(asked);
        let mut sent = pin!(sent);
        poll_fn(|cx| {
            let polled = sent.as_mut().poll(cx);
            telling.polled(&polled);
            polled
        })
        .await
    }
}

impl Plan {
    /// Notes limits on a connection or a read that are longer than what is left for all of it.
    fn compare_parts(&self, deadline: Deadline) {
        for limit in self.connect.iter().chain(&self.read) {
            let own = Deadline::after(now(), limit.length()).with_origin(limit.origin());
            local_limit::compare_part(own, deadline);
        }
    }

    /// Adds the default headers that the request does not set itself.
    fn complete(&self, headers: &mut HeaderMap) {
        let unset: Vec<_> = self.default_headers.keys().filter(|name| !headers.contains_key(*name)).collect();
        for name in unset {
            for value in self.default_headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! What each hop sees of a request: recorded around its service, outside of every layer.
//!
//! Covers the arrival with its header as it came over the wire, the budget, and the end with its cause. Does
//! not touch the request, but for a [`Page`] in its extensions on which a handler notes what the layers gave it.

use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{Extensions, HeaderMap, Request, Response};
use tower::{Service, ServiceExt, service_fn};
use tower_deadline::{Cause, Deadline, Dialect, Dialects, Exceeded, Policy, Refusal, now};

use super::Hop;
use super::ledger::{Entry, Ledger, Page};

/// The service, with a record of each request that it is sent.
pub(super) fn recorded<S, RB, B>(
    ledger: Ledger,
    hop: Hop,
    policy: Policy,
    service: S,
) -> impl Service<Request<RB>, Response = Response<B>, Error = S::Error, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<Request<RB>, Response = Response<B>> + Clone + Send + Sync + 'static,
    RB: Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send,
{
    service_fn(move |mut request: Request<RB>| {
        let page = ledger.open(arrival(hop, &policy, request.headers()));
        request.extensions_mut().insert(page.clone());
        visited(Visit { page, cause: Some(Cause::ClientGone) }, service.clone().oneshot(request))
    })
}

/// The visit is dropped after the response, and the response where the client goes away.
async fn visited<B, E>(
    mut visit: Visit,
    response: impl Future<Output = Result<Response<B>, E>>,
) -> Result<Response<B>, E> {
    let outcome = response.await;
    let answer = outcome.as_ref().ok();
    visit.cause = answer.and_then(|answer| answer.extensions().get()).map(Exceeded::cause);
    outcome
}

/// Open until the hop is done: its end is recorded then, for whatever cause.
struct Visit {
    page: Page,
    cause: Option<Cause>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.page.edit(|entry| {
            entry.ended = Some(now());
            // The word of the layers, where a handler got to note their journey.
            let journey = entry.journey.take();
            entry.cause = journey.and_then(|journey| journey.cause()).or(self.cause);
        });
    }
}

/// The record of a request that arrives now.
fn arrival(hop: Hop, policy: &Policy, headers: &HeaderMap) -> Entry {
    let arrived = now();
    let field = headers.get(Dialect::XRequestTimeout.as_str());
    Entry {
        hop,
        arrived,
        field: field.map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned()),
        budget: budget(policy, headers, arrived),
        ended: None,
        cause: None,
        journey: None,
    }
}

/// What a hop will grant, by the functions that its layers use; a handler knows it from its request.
fn budget(policy: &Policy, headers: &HeaderMap, now: Instant) -> Option<Duration> {
    match policy.admit(&Dialects::default().read(headers, UNIX_EPOCH), now) {
        Ok(admitted) => admitted.deadline().map(Deadline::budget),
        Err(Refusal::Exceeded(exceeded)) => Some(exceeded.budget()),
        Err(_) => None,
    }
}

/// Notes what the layers gave to the handler of a request.
pub(super) fn note(extensions: &Extensions) {
    let Some(page) = extensions.get::<Page>() else { return };
    page.edit(|entry| {
        entry.journey = extensions.get().cloned();
        entry.budget = extensions.get().copied().map(Deadline::budget).or(entry.budget);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::convert::Infallible;
    use std::future::pending;
    use tokio::time::timeout;
    use tower_deadline::Stage;

    const MS: Duration = Duration::from_millis(1);

    fn asking(timeout: &str) -> Request<()> {
        Request::get("/").header(Dialect::XRequestTimeout.as_str(), timeout).body(()).unwrap()
    }

    async fn late(_: Request<()>) -> Result<Response<()>, Infallible> {
        let deadline = Deadline::after(now(), Duration::ZERO);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
        response.extensions_mut().insert(Exceeded::new(deadline, Stage::Handler, Cause::Deadline, now()));
        Ok(response)
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_what_came_and_why_it_was_stopped() {
        let ledger = Ledger::new();
        let service = recorded(ledger.clone(), Hop::Orders, Policy::new().max(300 * MS), service_fn(late));
        for (value, budget) in [("200ms", Some(200)), ("1s", Some(300)), ("0", Some(0)), ("abc", None)] {
            let first = ledger.len();
            let _ = service.clone().oneshot(asking(value)).await;
            let entries = ledger.since(first);
            let [entry] = entries.as_slice() else { panic!("{entries:?}") };
            assert_eq!((entry.hop, entry.field.as_deref()), (Hop::Orders, Some(value)));
            assert_eq!((entry.budget, entry.cause), (budget.map(|budget| budget * MS), Some(Cause::Deadline)));
            assert_eq!(entry.ended, Some(now()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_away_is_a_cause_of_its_own() {
        let ledger = Ledger::new();
        let never = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
        let service = recorded(ledger.clone(), Hop::Orders, Policy::new(), never);
        let began = now();
        assert!(timeout(5 * MS, service.oneshot(asking("1s"))).await.is_err());
        let entries = ledger.since(0);
        assert_eq!(entries.first().and_then(|entry| entry.cause), Some(Cause::ClientGone));
        assert_eq!(entries.first().and_then(|entry| entry.ended), Some(began + 5 * MS));
    }

    #[tokio::test(start_paused = true)]
    async fn is_settled_when_every_hop_is_done_or_not_worth_waiting_for() {
        let ledger = Ledger::new();
        let never = service_fn(|_: Request<()>| pending::<Result<Response<()>, Infallible>>());
        let service = recorded(ledger.clone(), Hop::Orders, Policy::new(), never);
        let began = now();
        ledger.settled(5 * MS).await;
        assert_eq!(now(), began, "nothing to wait for");
        let mut call = Box::pin(service.oneshot(asking("1s")));
        assert!(timeout(MS, &mut call).await.is_err());
        ledger.settled(5 * MS).await;
        assert_eq!(now(), began + 6 * MS, "did not end");
    }
}

//! Each layer, held to Tower's contract, and each body to that of `Body`.

use crate::propagate::trace::WrittenLayer;
use crate::testing::{BUDGET, MS, asking, poll, poll_frame, ready as now_ready, within};
use crate::timer::tests::armed;
use crate::{
    AdmitLayer, AnswerBody, DeadlineLayer, EnforceLayer, HopByHopLayer, Policy, PropagateLayer, RescueLayer,
    UpgradePolicy,
};
use deadline_testkit::{
    Contract, InnerService, Probe, Readiness, ScriptedBody, ScriptedError, Step, Yielded, assert_body_keeps_contract,
    assert_body_passes,
};
use http::{Request, Response};
use http_body::Body;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::time::advance;
use tower::util::{BoxCloneService, MapResponse};
use tower::{Layer, Service, ServiceExt, service_fn};

fn paved() -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().default_timeout(BUDGET))
}

/// An inner service whose body can be an answer.
fn answerable(inner: InnerService) -> MapResponse<InnerService, fn(Response<ScriptedBody>) -> Answer> {
    MapResponse::new(inner, |response| response.map(AnswerBody::Inner))
}

type Answer = Response<AnswerBody<ScriptedBody>>;

#[tokio::test(start_paused = true)]
async fn admit_keeps_the_contract() {
    let layer = AdmitLayer::new(Policy::new());
    Contract::of(|inner| layer.layer(answerable(inner)), || asking("300ms")).assert_all();
}

#[tokio::test(start_paused = true)]
async fn rescue_keeps_the_contract() {
    Contract::of(|inner| RescueLayer::new().layer(inner), || within(BUDGET)).assert_all();
}

// R20
#[tokio::test(start_paused = true)]
async fn enforce_keeps_the_contract_and_finishes_readiness_in_its_future() {
    for covers in [crate::Covers::Head, crate::Covers::Body] {
        let request = || crate::testing::under(Policy::new().covers(covers), true);
        let contract = Contract::of(|inner| EnforceLayer::new().layer(inner), request);
        contract.readiness(Readiness::Finished).assert_all();
        assert_eq!(armed(), 0);
    }
    let contract = Contract::of(|inner| EnforceLayer::new().layer(inner), crate::testing::plain);
    contract.readiness(Readiness::Finished).assert_all();
}

#[tokio::test(start_paused = true)]
async fn the_paved_path_keeps_the_contract() {
    for request in [|| asking("300ms"), crate::testing::plain] {
        Contract::of(|inner| paved().layer(inner), request).readiness(Readiness::Finished).assert_all();
        assert_eq!(armed(), 0);
    }
}

/// A second layer joins the timer of the first; an observing policy arms none at all.
#[tokio::test(start_paused = true)]
async fn the_paved_path_keeps_the_contract_twice_over_and_when_it_only_observes() {
    let observing = DeadlineLayer::new(Policy::new().default_timeout(BUDGET).mode(crate::Mode::Observe));
    let request = || asking("300ms");
    let twice = Contract::of(|inner| paved().layer(paved().layer(inner)), request);
    twice.readiness(Readiness::Finished).assert_all();
    let observed = Contract::of(|inner| observing.layer(inner), request);
    observed.readiness(Readiness::Finished).assert_all();
    let within = Contract::of(|inner| observing.layer(paved().layer(inner)), request);
    within.readiness(Readiness::Finished).assert_all();
    assert_eq!(armed(), 0);
}

#[tokio::test(start_paused = true)]
async fn hop_by_hop_keeps_the_contract() {
    Contract::of(|inner| HopByHopLayer::new(UpgradePolicy::Strip).layer(inner), || within(BUDGET)).assert_all();
}

#[tokio::test(start_paused = true)]
async fn propagate_keeps_the_contract() {
    for request in [|| within(BUDGET), crate::testing::plain] {
        Contract::of(|inner| PropagateLayer::new().layer(inner), request).assert_all();
        assert_eq!(armed(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_requests_are_told_as_written_keeps_the_contract() {
    let told = |inner| PropagateLayer::new().layer(WrittenLayer::new().layer(inner));
    Contract::of(told, || within(BUDGET)).assert_all();
}

#[tokio::test(start_paused = true)]
async fn all_of_them_together_keep_the_contract() {
    let stack = |inner| paved().layer(HopByHopLayer::default().layer(PropagateLayer::new().layer(inner)));
    Contract::of(stack, || asking("300ms")).readiness(Readiness::Finished).assert_all();
    assert_eq!(armed(), 0);
}

// R10, R16
#[tokio::test(start_paused = true)]
async fn who_is_refused_is_answered_once_and_polling_on_is_harmless() {
    let expired = || within(Duration::ZERO);
    let inner = InnerService::silent();
    assert_answers_once(EnforceLayer::new().layer(inner.clone()), expired());
    assert_answers_once(AdmitLayer::new(Policy::new()).layer(answerable(inner.clone())), asking("soon"));
    assert_answers_once(PropagateLayer::new().layer(inner.clone()), expired());
    assert_answers_once(paved().layer(inner.clone()), asking("0ms"));
    let mut nominating = within(BUDGET);
    nominating.headers_mut().insert("connection", "host".parse().unwrap());
    assert_answers_once(HopByHopLayer::default().layer(inner.clone()), nominating);
    assert_eq!((inner.record().calls().called(), armed()), (0, 0));
}

#[track_caller]
fn assert_answers_once<S, R>(mut service: S, request: R)
where
    S: Service<R>,
{
    assert!(poll(Box::pin(std::future::poll_fn(|cx| service.poll_ready(cx))).as_mut()).is_ready());
    let mut calling = Box::pin(service.call(request));
    assert!(poll(calling.as_mut()).is_ready());
    assert!(poll(calling.as_mut()).is_pending() && poll(calling.as_mut()).is_pending());
}

/// At the deadline the inner future is dropped, though the answer's future is still held.
#[tokio::test(start_paused = true)]
async fn nothing_is_worked_on_after_the_deadline() {
    async fn stopped<S, R>(inner: InnerService, wrap: impl FnOnce(InnerService) -> S, request: R)
    where
        S: Service<R>,
    {
        let record = inner.record();
        let mut service = wrap(inner);
        assert!(poll(Box::pin(std::future::poll_fn(|cx| service.poll_ready(cx))).as_mut()).is_ready());
        let mut calling = Box::pin(service.call(request));
        assert!(poll(calling.as_mut()).is_pending());
        advance(BUDGET - MS).await;
        assert!(poll(calling.as_mut()).is_pending());
        assert_eq!(record.calls().held(), 1);
        advance(MS).await;
        assert!(poll(calling.as_mut()).is_ready());
        assert_eq!((record.calls().held(), record.calls().dropped(), armed()), (0, 1, 0));
        assert!(poll(calling.as_mut()).is_pending());
    }
    stopped(InnerService::silent(), |inner| EnforceLayer::new().layer(inner), within(BUDGET)).await;
    stopped(InnerService::silent(), |inner| paved().layer(inner), asking("300ms")).await;
    stopped(InnerService::silent(), |inner| PropagateLayer::new().layer(inner), within(BUDGET)).await;
}

/// The body that comes out of `layer`, around this one.
fn answered<L, S, B>(layer: &L, body: ScriptedBody) -> B
where
    L: Layer<Answering, Service = S>,
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let mut service = layer.layer(Answering(Arc::new(Mutex::new(Some(body)))));
    let calling = Box::pin(service.call(within(BUDGET)));
    now_ready(poll({ calling }.as_mut())).into_body()
}

/// Answers once, with this body.
#[derive(Clone)]
struct Answering(Arc<Mutex<Option<ScriptedBody>>>);

impl<R> Service<R> for Answering {
    type Response = Response<ScriptedBody>;
    type Error = ScriptedError;
    type Future = std::future::Ready<Result<Response<ScriptedBody>, ScriptedError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), ScriptedError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        ready(self.0.lock().unwrap().take().map(Response::new).ok_or(ScriptedError))
    }
}

// R14
#[tokio::test(start_paused = true)]
async fn a_response_body_keeps_its_contract_through_each_layer() {
    assert_body_passes(|body| answered(&EnforceLayer::new(), body));
    assert_body_passes(|body| answered(&RescueLayer::new(), body));
    assert_body_passes(|body| answered(&HopByHopLayer::default(), body));
    assert_body_passes(|body| answered(&PropagateLayer::new(), body));
    assert_body_passes(|body| answered(&paved(), body));
    assert_eq!(armed(), 0);
}

// R14
#[tokio::test(start_paused = true)]
async fn a_request_body_keeps_its_contract() {
    assert_body_passes(|body| {
        let passed = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&passed);
        let handler = service_fn(move |request: Request<crate::WatchedBody<ScriptedBody>>| {
            *kept.lock().unwrap() = Some(request.into_body());
            ready(Ok::<_, ScriptedError>(Response::new(ScriptedBody::full(""))))
        });
        let service: BoxCloneService<_, _, _> = paved().layer(handler).boxed_clone();
        let mut request = asking("300ms");
        *request.body_mut() = body;
        now_ready(poll(crate::testing::call(&service, request).as_mut()));
        let body = passed.lock().unwrap().take();
        body.unwrap()
    });
    assert_eq!(armed(), 0);
}

/// An answer of ours is a body too.
#[tokio::test(start_paused = true)]
async fn the_body_of_an_answer_keeps_its_contract() {
    for request in [asking("0ms"), asking("soon")] {
        let service = paved().layer(InnerService::silent());
        let body = now_ready(poll(crate::testing::call(&service, request).as_mut())).into_body();
        let length = body.size_hint().exact().unwrap();
        let yielded = assert_body_keeps_contract(body);
        let [Yielded::Data(data)] = &*yielded else { panic!("{yielded:?}") };
        assert!(data.len() as u64 == length && length > 0);
    }
}

/// A body that was stopped at the deadline: one error, then the end, and the inner body is dropped.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_stopped_keeps_its_contract() {
    async fn stopped<B: Body>(through: impl Fn(ScriptedBody) -> B) {
        let inner = ScriptedBody::new([Step::Data("some"), Step::Stall]);
        let probe = inner.probe();
        let mut body = Box::pin(through(inner));
        assert!(poll_frame(&mut body).is_ready() && poll_frame(&mut body).is_pending());
        advance(BUDGET).await;
        assert_eq!(assert_body_keeps_contract(body.as_mut()), [Yielded::Error]);
        assert!(probe.is_dropped() && body.is_end_stream());
        assert_eq!((body.size_hint().exact(), armed()), (Some(0), 0));
    }
    stopped(|body| answered(&EnforceLayer::new(), body)).await;
    stopped(|body| answered(&PropagateLayer::new(), body)).await;
    stopped(|body| answered(&paved(), body)).await;
}

/// A scope is no service, and rests all the same.
#[tokio::test(start_paused = true)]
async fn a_scope_lets_go_of_what_is_done_or_late() {
    let deadline = crate::Deadline::after(crate::now(), BUDGET);
    for (takes, in_time) in [(BUDGET - MS, true), (BUDGET, true), (2 * BUDGET, false)] {
        let (probe, until) = (Probe::default(), crate::Deadline::after(crate::now(), BUDGET));
        let mut scoped = Box::pin(crate::scope(until, probe.watch(tokio::time::sleep(takes))));
        assert!(poll(scoped.as_mut()).is_pending());
        advance(takes.min(BUDGET)).await;
        let Poll::Ready(outcome) = poll(scoped.as_mut()) else { panic!("still pending") };
        assert_eq!((outcome.is_ok(), probe.held(), armed()), (in_time, 0, 0), "{takes:?}");
        assert!(poll(scoped.as_mut()).is_pending());
        assert_eq!(probe.polled_after_end(), 0);
    }
    let probe = Probe::default();
    drop(crate::scope(deadline, probe.watch(std::future::pending::<()>())));
    assert_eq!(probe.held(), 0);
}

//! What a call is held to, and by whom.

use super::*;
use crate::testing::poll;
use crate::timer::tests::armed;
use crate::{Covers, Journey, Mode, OnMissing, Policy, Stage, current, scope};
use http_deadline::{Ambient, Origin};
use std::future::pending;
use std::io;
use std::task::Poll;
use tokio::time::{Instant, advance};
use tower::{Layer, Service};

use super::super::super::connect::ConnectLayer;

fn part_of(policy: Policy, budget: u32) -> (Extensions, Journey) {
    let (mut found, journey) = (within(budget), Journey::new(policy.into(), false));
    found.insert(journey.clone());
    (found, journey)
}

#[tokio::test(start_paused = true)]
async fn ends_at_the_deadline_and_not_before_and_leaves_nothing_behind() {
    let server = Server::default();
    let mut calling = server.call(300);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(armed(), 1);
    advance(299 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    advance(MS).await;
    let Poll::Ready(outcome) = poll(calling.as_mut()) else { panic!("not stopped") };
    assert_eq!(exceeded(outcome).stage(), Stage::Upstream);
    assert_eq!((server.probe.dropped(), armed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_stage_is_that_of_this_call_whatever_else_the_request_does() {
    let (found, journey) = part_of(Policy::new(), 300);
    let mut calling = Server::default().calls(PropagateLayer::new().reqwest(), get(), &found);
    assert!(poll(calling.as_mut()).is_pending());
    assert_eq!(journey.stage(), Stage::Upstream);
    let _query = journey.enter(Stage::Database);
    advance(300 * MS).await;
    let Poll::Ready(outcome) = poll(calling.as_mut()) else { panic!("not stopped") };
    assert_eq!(exceeded(outcome).stage(), Stage::Upstream);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_is_part_of_the_journey_around_it() {
    let builder = || PropagateLayer::new().reqwest();
    let journey = || Journey::new(Policy::new().into(), false);
    let (passed, around) = (journey(), journey());
    let mut found = Extensions::new();
    found.insert(passed.clone());
    let mut explicit = Server::default().calls(builder(), get(), &found);
    let mut ambient = Ambient::new(None, Some(around.clone()));
    let mut inherited = ambient.run(|| Server::default().calls(builder(), get(), &Extensions::new()));
    for (journey, calling) in [(passed, &mut explicit), (around, &mut inherited)] {
        assert!(poll(calling.as_mut()).is_pending());
        assert_eq!(journey.stage(), Stage::Upstream);
    }
}

// R15
#[tokio::test(start_paused = true)]
async fn dropping_the_call_half_way_cancels_it() {
    let server = Server::default().then(100, to("/moved"));
    let mut calling = server.call(300);
    assert!(poll(calling.as_mut()).is_pending());
    advance(100 * MS).await;
    assert!(poll(calling.as_mut()).is_pending());
    drop(calling);
    assert_eq!((server.probe.called(), server.probe.dropped(), armed()), (2, 1, 0));
}

// R11
#[tokio::test(start_paused = true)]
async fn a_head_that_is_ready_at_the_very_instant_is_delivered() {
    assert!(Server::default().then(300, ok()).call(300).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_error_tells_which_limit_was_reached_and_the_deadline_before_the_others() {
    for (read, which, length) in [(299, Limit::Read, 299), (300, Limit::Total, 300), (301, Limit::Total, 300)] {
        let builder = PropagateLayer::new().reqwest().read_timeout(read * MS);
        let (server, clock) = (Server::default(), Instant::now());
        let reached = limit(server.calls(builder, get(), &within(300)).await);
        assert_eq!((reached.limit(), reached.length(), clock.elapsed()), (which, length * MS, length * MS));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_a_connection_at_the_very_instant_is_not_told_before_the_deadline() {
    struct Connects(ConnectLayer);

    impl Transport for Connects {
        type Error = io::Error;

        fn send(&mut self, _: Request) -> impl Future<Output = io::Result<Response>> + Send {
            let connecting = self.0.layer(tower::service_fn(|()| pending::<io::Result<Response>>())).call(());
            async { connecting.await.map_err(io::Error::other) }
        }
    }

    for (connect, which) in [(299, Limit::Connect), (300, Limit::Total), (301, Limit::Total)] {
        let (plan, mut request) = (PropagateLayer::new().reqwest().plan(&Client::new()), get());
        let call = Call::new(&plan, &mut request, &within(300), Location::caller()).unwrap();
        let connects = Connects(ConnectLayer(Some(LimitReached::new(Limit::Connect, connect * MS))));
        let exceeded = match call.make(connects, request).await {
            Err(Failed::Held(PropagateError::Exceeded(exceeded))) => exceeded,
            Err(Failed::Inner(error)) => Exceeded::find(&error).unwrap().clone(),
            other => panic!("{other:?}"),
        };
        let reached = LimitReached::find(&exceeded).map(|reached| reached.limit());
        assert_eq!((reached, exceeded.stage()), (Some(which), Stage::Connect), "{connect}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_whole_of_a_read() {
    let builder = PropagateLayer::new().reqwest().read_timeout(100 * MS);
    let server = Server::default().then(90, to("/moved")).then(90, ok());
    assert!(server.calls(builder, get(), &within(300)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_the_request_is_one_for_all_attempts_and_is_told() {
    let line = line!() + 1;
    let builder = PropagateLayer::new().reqwest();
    let server = Server::default().then(200, to("/moved"));
    let mut request = get();
    *request.timeout_mut() = Some(300 * MS);
    let clock = Instant::now();
    let reached = limit(server.calls(builder, request, &Extensions::new()).await);
    assert_eq!((reached.limit(), reached.length(), clock.elapsed()), (Limit::Total, 300 * MS, 300 * MS));
    assert!(matches!(reached.origin(), Origin::Code(at) if at.line() == line), "{reached}");
    let sent = server.sent();
    assert_eq!(sent.iter().map(told).collect::<Vec<_>>(), [Some("300ms".to_owned()), Some("100ms".to_owned())]);
    assert!(sent.iter().all(|request| request.timeout().is_none()), "reqwest would begin anew with each");
}

// R21
#[tokio::test(start_paused = true)]
async fn the_soonest_binds_less_the_reserve() {
    let server = Server::default().then(0, ok());
    let (found, _journey) = part_of(Policy::new().reserve(20 * MS), 300);
    let builder = PropagateLayer::new().timeout(900 * MS).reqwest();
    let ambient = Deadline::after(now(), 200 * MS);
    let call = async { server.calls(builder, get(), &found).await };
    assert!(scope(ambient, call).await.unwrap().is_ok());
    assert_eq!(server.told(), [Some("180ms".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_it_is_sent_without_a_field_or_refused() {
    let by_hand = || {
        let mut request = get();
        request.headers_mut().insert(Dialect::XRequestTimeout.as_str(), "9s".parse().unwrap());
        request
    };
    let server = Server::default().then(0, ok());
    let (open, strict) = (PropagateLayer::new(), PropagateLayer::new().on_missing(OnMissing::Reject));
    assert!(server.calls(open.reqwest(), by_hand(), &Extensions::new()).await.is_ok());
    assert_eq!(server.told(), [None]);
    let refused = server.calls(strict.reqwest(), by_hand(), &Extensions::new()).await;
    assert!(matches!(refused, Err(Failed::Held(PropagateError::Missing { .. }))), "{refused:?}");
    // A limit of one request is none that was found, either.
    let strict = PropagateLayer::new().on_missing(OnMissing::Reject).reqwest();
    let mut limited = get();
    *limited.timeout_mut() = Some(300 * MS);
    let refused = server.calls(strict, limited, &Extensions::new()).await;
    assert!(matches!(refused, Err(Failed::Held(PropagateError::Missing { .. }))), "{refused:?}");
    assert_eq!(server.probe.called(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_observing_policy_sends_late_and_without_a_field() {
    let server = Server::default().then(300, ok());
    let (found, _journey) = part_of(Policy::new().mode(Mode::Observe), 0);
    assert!(server.calls(PropagateLayer::new().reqwest(), get(), &found).await.is_ok());
    assert_eq!(server.told(), [None]);
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn a_call_that_an_observing_policy_sends_late_is_counted_once_however_often_it_is_redirected() {
    for (budget, left) in [(0, None), (100, Some("100ms")), (200, Some("200ms"))] {
        let counts = crate::count::recorder::Counts::default();
        let _recording = counts.record();
        let server = Server::default().then(100, to("/moved")).then(0, to("/again")).then(0, ok());
        let (found, _journey) = part_of(Policy::new().mode(Mode::Observe), budget);
        assert!(server.calls(PropagateLayer::new().reqwest(), get(), &found).await.is_ok());
        let later = Some("100ms".to_owned()).filter(|_| budget > 100);
        assert_eq!(server.told(), [left.map(str::to_owned), later.clone(), later.clone()]);
        let counted: Vec<u64> = counts.all().into_iter().map(|(_, times)| times).collect();
        assert_eq!(counted, if later.is_none() { vec![1] } else { vec![] }, "{budget}");
    }
}

// R18
#[tokio::test(start_paused = true)]
async fn a_released_journey_lets_the_call_go_on() {
    let server = Server::default().then(500, ok());
    let (found, journey) = part_of(Policy::new().covers(Covers::Head), 300);
    journey.enforce(*found.get::<Deadline>().unwrap());
    let mut calling = server.calls(PropagateLayer::new().reqwest(), get(), &found);
    assert!(poll(calling.as_mut()).is_pending());
    journey.release();
    advance(500 * MS).await;
    assert!(matches!(poll(calling.as_mut()), Poll::Ready(Ok(_))));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_ambient_within_the_attempts_and_the_stage_is_open() {
    struct Sees;

    impl Transport for Sees {
        type Error = ScriptedError;

        async fn send(&mut self, _: Request) -> Result<Response, ScriptedError> {
            let stage = Ambient::current().journey().map(Journey::stage);
            assert_eq!((current().map(Deadline::budget), stage), (Some(300 * MS), Some(Stage::Upstream)));
            Ok(Head::builder().url(HOME.parse::<Url>().unwrap()).body("").unwrap().into())
        }
    }

    let (found, journey) = part_of(Policy::new(), 300);
    let (plan, mut request) = (PropagateLayer::new().reqwest().plan(&Client::new()), get());
    let mut calling = Box::pin(Call::new(&plan, &mut request, &found, Location::caller()).unwrap().make(Sees, request));
    assert!(matches!(poll(calling.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!((journey.stage(), current()), (Stage::Handler, None));
}

// R15
#[tokio::test(start_paused = true)]
async fn what_is_spawned_within_an_attempt_ends_with_the_request() {
    struct Spawns;

    impl Transport for Spawns {
        type Error = ScriptedError;

        async fn send(&mut self, _: Request) -> Result<Response, ScriptedError> {
            drop(crate::spawn(pending::<()>()));
            Ok(Head::builder().url(HOME.parse::<Url>().unwrap()).body("").unwrap().into())
        }
    }

    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for budget in [None, Some(300)] {
        let (found, journey) = part_of(Policy::new(), budget.unwrap_or_default());
        let mut found = found;
        if budget.is_none() {
            found.remove::<Deadline>();
        }
        let (plan, mut request) = (PropagateLayer::new().reqwest().plan(&Client::new()), get());
        let response = Call::new(&plan, &mut request, &found, Location::caller())
            .unwrap()
            .make(Spawns, request)
            .await
            .unwrap();
        crate::testing::settle().await;
        assert_eq!(alive(), 1, "the request goes on: {budget:?}");
        drop(response);
        journey.end();
        crate::testing::settle().await;
        assert_eq!(alive(), 0, "{budget:?}");
    }
}

// R18
#[tokio::test(start_paused = true)]
async fn a_limit_of_its_own_that_outlasts_a_release_is_the_one_that_is_told() {
    let builder = PropagateLayer::new().timeout(900 * MS).reqwest();
    let (found, journey) = part_of(Policy::new().covers(Covers::Head), 300);
    journey.enforce(*found.get::<Deadline>().unwrap());
    let mut calling = Server::default().calls(builder, get(), &found);
    assert!(poll(calling.as_mut()).is_pending());
    journey.release();
    let clock = Instant::now();
    let reached = limit(calling.await);
    assert_eq!((reached.length(), clock.elapsed()), (900 * MS, 900 * MS), "{reached}");
}

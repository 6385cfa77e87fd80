//! Nothing is left behind: thousands of requests that end in every way there is, then a count of all that could
//! still be there.
//!
//! The requests are drawn at random from a seed, which a failure tells; `LEAK_SEED=1 cargo test` runs another one.

use crate::testing::{MS, settle};
use crate::timer::tests::armed;
use crate::{
    BoxError, Cause, Covers, Deadline, DeadlineLayer, HopByHopLayer, Journey, Mode, Policy, PropagateLayer, detach,
    scope, spawn,
};
use bytes::Bytes;
use deadline_testkit::{BodyProbe, Probe, ScriptedBody, ScriptedError, Step};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 100;
const SEED: u64 = 20;

/// No request, child or detached task lasts longer.
const LONGEST: Duration = Duration::from_millis(1_000);

/// Numbers that look random and are not (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn time(&mut self) -> Duration {
        Duration::from_micros(self.below(400_000))
    }

    /// A body of up to five steps; some wait for ever, some break, some end in trailers.
    fn steps(&mut self) -> Vec<Step> {
        let all = [Step::Data("orders"), Step::Pause, Step::Wait, Step::Stall, Step::Error];
        let mut steps: Vec<_> = (0..self.below(5))
            .map(|_| all[[0, 0, 0, 0, 1, 1, 2, 3, 4][self.below(9) as usize]].clone())
            .collect();
        if self.below(2) == 0 {
            steps.push(Step::Trailers(crate::testing::trailers("x-sum", "1")));
        }
        steps
    }
}

/// What a handler does, or has done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answers,
    Silent,
    Fails,
    /// Its request is malformed, or late, or names what it may not.
    Refused,
    Calls,
    Spawns,
    Detaches,
    /// A part of it, for a cause that is drawn, and maybe after its deadline.
    Cancels,
    ReadsElsewhere,
}

const CAUSES: [Cause; 3] = [Cause::Cancelled, Cause::Superseded, Cause::Shutdown];

const FATES: [Fate; 9] = [
    Fate::Answers,
    Fate::Silent,
    Fate::Fails,
    Fate::Refused,
    Fate::Calls,
    Fate::Spawns,
    Fate::Detaches,
    Fate::Cancels,
    Fate::ReadsElsewhere,
];

/// What stands around the handler.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    /// Our stack.
    Once,
    /// Twice: two services in one process, or a router within a router.
    Twice,
    /// A policy that only observes.
    Observed,
    /// A policy that lets go at the head.
    ToTheHead,
}

/// One request, drawn.
#[derive(Clone, Debug)]
struct Plan {
    fate: Fate,
    around: Around,
    timeout: Option<Duration>,
    /// When the handler answers, and how long what it calls or starts takes.
    delays: [Duration; 2],
    cause: Cause,
    /// When the client leaves, and after how many frames.
    leaves: (Duration, usize),
    bodies: [Vec<Step>; 2],
}

impl Around {
    fn covers_bodies(self) -> bool {
        matches!(self, Self::Once | Self::Twice)
    }

    fn policy(self) -> Policy {
        let policy = Policy::new().default_timeout(LONGEST / 2).max(LONGEST);
        match self {
            Self::Once | Self::Twice => policy,
            Self::Observed => policy.mode(Mode::Observe),
            Self::ToTheHead => policy.covers(Covers::Head),
        }
    }
}

impl Plan {
    fn draw(random: &mut Random) -> Self {
        let around = random.one_of(&[Around::Once, Around::Twice, Around::Observed, Around::ToTheHead]);
        let fate = match random.one_of(&FATES) {
            // Nothing bounds a body that is read in a task of nobody's, under a policy that stops nothing.
            Fate::ReadsElsewhere if !around.covers_bodies() => Fate::Answers,
            fate => fate,
        };
        Self {
            fate,
            around,
            timeout: Some(random.time()).filter(|_| random.below(8) > 0),
            delays: [random.time() / 2, random.time()],
            cause: random.one_of(&CAUSES),
            leaves: (random.time() * (1 + random.below(3) as u32), random.below(6) as usize),
            bodies: [random.steps(), random.steps()],
        }
    }
}

type Body = UnsyncBoxBody<Bytes, BoxError>;
type Incoming = Request<Body>;
type Outcome = Result<Response<Body>, ScriptedError>;

/// All that could be left behind.
#[derive(Debug, Default, PartialEq)]
struct Census {
    tasks: usize,
    timers: usize,
    /// Handlers, children and calls that run.
    in_flight: usize,
    /// Their futures, done or not.
    futures: usize,
    bodies: usize,
    journeys: usize,
}

struct World {
    tasks: usize,
    probe: Probe,
    bodies: Mutex<Vec<BodyProbe>>,
    /// Each journey keeps its policy, and each part keeps the journey that it is a part of.
    policy: Arc<Policy>,
    /// What ended a scope.
    causes: Mutex<BTreeSet<&'static str>>,
}

impl World {
    fn new() -> Arc<Self> {
        let (probe, policy) = (Probe::default(), Policy::new().into());
        Arc::new(Self { tasks: alive(), probe, bodies: Mutex::default(), policy, causes: Mutex::default() })
    }

    fn census(&self) -> Census {
        Census {
            tasks: alive() - self.tasks,
            timers: armed(),
            in_flight: self.probe.in_flight(),
            futures: self.probe.held(),
            bodies: self.bodies.lock().unwrap().iter().filter(|body| !body.is_dropped()).count(),
            journeys: Arc::strong_count(&self.policy) - 1,
        }
    }

    fn body(&self, steps: &[Step]) -> ScriptedBody {
        let body = ScriptedBody::new(steps.to_vec());
        self.bodies.lock().unwrap().push(body.probe());
        body
    }

    /// The request of a plan, as part of a journey that is counted.
    fn request(&self, plan: &Plan) -> Request<ScriptedBody> {
        let mut request = Request::new(self.body(&plan.bodies[0]));
        let refused = ["soon", "0ms", "1s"][plan.leaves.1 % 3];
        let timeout = plan.timeout.map(|timeout| format!("{}us", timeout.as_micros()));
        let timeout = Some(refused.to_owned()).filter(|_| plan.fate == Fate::Refused).or(timeout);
        if let Some(timeout) = timeout {
            request.headers_mut().insert("x-request-timeout", timeout.parse().unwrap());
        }
        if plan.fate == Fate::Refused {
            request.headers_mut().insert("connection", "host".parse().unwrap());
        }
        request.extensions_mut().insert(plan.clone());
        request.extensions_mut().insert(Journey::new(Arc::clone(&self.policy), false));
        request
    }

    /// Our layers around the handlers.
    fn service(
        self: &Arc<Self>,
        around: Around,
    ) -> BoxCloneService<Request<ScriptedBody>, Response<Body>, ScriptedError> {
        let layer = DeadlineLayer::new(around.policy());
        let once = HopByHopLayer::default().layer(self.handler());
        if around == Around::Twice {
            let inner = layer.layer(once.map_request(|request: Request<_>| request.map(boxed)));
            let twice = layer.layer(inner.map_response(|response| response.map(boxed)));
            return twice.map_response(|response| response.map(boxed)).boxed_clone();
        }
        let once = layer.layer(once.map_request(|request: Request<_>| request.map(boxed)));
        once.map_response(|response| response.map(boxed)).boxed_clone()
    }

    fn handler(self: &Arc<Self>) -> BoxCloneService<Incoming, Response<Body>, ScriptedError> {
        let world = Arc::clone(self);
        let handler = service_fn(move |request: Incoming| {
            let plan: Plan = request.extensions().get().cloned().unwrap();
            let world = Arc::clone(&world);
            world.probe.clone().watch(async move { world.handle(plan, request).await })
        });
        handler.boxed_clone()
    }

    async fn handle(self: Arc<Self>, plan: Plan, request: Incoming) -> Outcome {
        let answer = || Response::new(boxed(self.body(&plan.bodies[1])));
        let [delay, longer] = plan.delays;
        match plan.fate {
            Fate::Answers | Fate::Refused => {}
            Fate::Silent => return self.probe.watch(pending()).await,
            Fate::Fails => return Err(ScriptedError),
            Fate::Calls => return self.call(&plan).await,
            Fate::Cancels => self.cancel(&plan).await,
            Fate::Spawns => self.spawn(longer),
            Fate::Detaches => drop(detach(longer, self.probe.watch(pending::<()>()))),
            // A task that nobody ends: it ends because its body does.
            Fate::ReadsElsewhere => drop(tokio::spawn(self.probe.watch(async move {
                let mut body = request.into_body();
                while let Some(Ok(_)) = body.frame().await {}
            }))),
        }
        sleep(delay).await;
        Ok(answer())
    }

    /// Children: one that lasts as long as the request, one that has a child of its own.
    fn spawn(&self, longer: Duration) {
        let probe = self.probe.clone();
        drop(spawn(self.probe.watch(pending::<()>())));
        drop(spawn(self.probe.watch(async move {
            drop(spawn(probe.watch(sleep(longer))));
            pending::<()>().await;
        })));
    }

    /// A scope with children, which another task cancels after a while.
    async fn cancel(&self, plan: &Plan) {
        let ([delay, longer], cause) = (plan.delays, plan.cause);
        let scoped = scope(
            Deadline::after(crate::now(), longer),
            self.probe.watch(async {
                self.spawn(longer);
                pending::<()>().await;
            }),
        );
        let canceller = scoped.canceller();
        drop(tokio::spawn(self.probe.watch(async move {
            sleep(delay).await;
            canceller.cancel_as(cause, "not wanted");
        })));
        let ended = scoped.await.map_err(|exceeded| exceeded.cause().as_str());
        self.causes.lock().unwrap().extend(ended.err());
    }

    /// An outgoing call, whose answer is passed on.
    async fn call(self: Arc<Self>, plan: &Plan) -> Outcome {
        let plan = plan.clone();
        let upstream = service_fn(move |_: Request<()>| {
            let (world, plan) = (Arc::clone(&self), plan.clone());
            world.probe.clone().watch(async move {
                sleep(plan.delays[1]).await;
                if plan.leaves.1 == 0 { Err(ScriptedError) } else { Ok(Response::new(world.body(&plan.bodies[1]))) }
            })
        });
        let response = PropagateLayer::new().layer(upstream).oneshot(Request::new(())).await;
        response.map(|response| response.map(boxed)).map_err(|_| ScriptedError)
    }

    /// A client: calls, reads, leaves.
    async fn client(self: Arc<Self>, plan: Plan) -> &'static str {
        let (patience, frames) = plan.leaves;
        let calling = self.service(plan.around).oneshot(self.request(&plan));
        let Ok(outcome) = timeout(patience, calling).await else {
            return "left before the head";
        };
        let Ok(response) = outcome else { return "the handler's error" };
        let status = response.status();
        let mut body = response.into_body();
        for _ in 0..=frames {
            match timeout(patience, body.frame()).await {
                Err(_) => return "left while waiting for a frame",
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_))) => return "a body that broke off",
                Ok(None) if status == StatusCode::OK => return "a whole response",
                Ok(None) if status == StatusCode::GATEWAY_TIMEOUT => return "late, and told so",
                Ok(None) => return "refused",
            }
        }
        "left between two frames"
    }
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Runs so many requests, some at once, and tells how often each end was seen.
async fn run(world: &Arc<World>, requests: usize, random: &mut Random) -> BTreeMap<&'static str, usize> {
    let mut ends = BTreeMap::new();
    for _ in 0..requests / AT_ONCE {
        let clients: Vec<_> =
            (0..AT_ONCE).map(|_| tokio::spawn(Arc::clone(world).client(Plan::draw(random)))).collect();
        for client in clients {
            *ends.entry(client.await.unwrap()).or_default() += 1;
        }
    }
    ends
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_leave_nothing_behind() {
    let seed = std::env::var("LEAK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let (world, before) = (World::new(), crate::now());
    let ends = run(&world, REQUESTS, &mut Random(seed)).await;
    assert_eq!(ends.values().sum::<usize>(), REQUESTS, "seed {seed}");
    // Each end was reached often, or the count says little.
    let rare: Vec<_> = ends.iter().filter(|(_, times)| **times < REQUESTS / 100).collect();
    assert!(ends.len() == 8 && rare.is_empty(), "seed {seed}: {ends:#?}");
    // What was detached has a budget of its own.
    sleep(LONGEST).await;
    assert_eq!(world.census(), Census::default(), "seed {seed}, after {:?}: {ends:#?}", crate::now() - before);
    assert!(world.probe.called() > REQUESTS, "seed {seed}");
    let causes = world.causes.lock().unwrap();
    assert!(causes.iter().eq(["cancelled", "deadline", "shutdown", "superseded"].iter()), "seed {seed}: {causes:?}");
}

/// The count sees what it is for.
#[tokio::test(start_paused = true)]
async fn each_kind_of_leak_is_seen() {
    let world = World::new();
    let plan = Plan::draw(&mut Random(SEED));
    let plan = Plan { fate: Fate::Silent, around: Around::Once, timeout: Some(LONGEST / 2), ..plan };
    let mut calling = Box::pin(world.service(Around::Once).oneshot(world.request(&plan)));
    assert!(crate::testing::poll(calling.as_mut()).is_pending());
    let held = Census { timers: 1, in_flight: 2, futures: 2, bodies: 1, journeys: 1, tasks: 0 };
    assert_eq!(world.census(), held);
    let task = tokio::spawn(calling);
    settle().await;
    assert_eq!(world.census(), Census { tasks: 1, ..held });
    task.abort();
    settle().await;
    assert_eq!(world.census(), Census::default());
    // A future that is kept after its end, and no longer runs.
    let mut done = world.probe.watch(ready(()));
    (&mut done).await;
    assert_eq!(world.census(), Census { futures: 1, ..Census::default() });
}

/// A hundred tasks that wait for a request each, with children, until all of them are late.
#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_on_expired_requests_return() {
    let world = World::new();
    for fate in [Fate::Silent, Fate::Spawns, Fate::Calls, Fate::ReadsElsewhere] {
        let plan = Plan {
            fate,
            around: Around::Once,
            timeout: Some(100 * MS),
            delays: [LONGEST; 2],
            cause: Cause::Cancelled,
            leaves: (LONGEST, 5),
            bodies: [vec![Step::Stall], Vec::new()],
        };
        let clients: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(Arc::clone(&world).client(plan.clone()))).collect();
        sleep(99 * MS).await;
        let at_most = world.census();
        assert!(at_most.tasks >= AT_ONCE && at_most.journeys >= AT_ONCE && at_most.in_flight >= AT_ONCE);
        for client in clients {
            assert_eq!(client.await.unwrap(), "late, and told so", "{fate:?}");
        }
        // The clock moves only when every task is idle.
        sleep(MS).await;
        assert_eq!(world.census(), Census::default(), "{fate:?}");
    }
}

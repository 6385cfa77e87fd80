//! Who is called: balance, ejection, health, and names.

use super::super::endpoint::Address;
use super::super::names::{Found, Resolve};
use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{advance, sleep};
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;

/// Answers with a status that can be changed, and with a field.
#[derive(Clone, Default)]
struct Status(Arc<AtomicUsize>, Option<(&'static str, &'static str)>);

impl Status {
    fn set(&self, status: usize) {
        self.0.store(status, Ordering::Relaxed);
    }

    fn peer(&self) -> Peer {
        let Self(status, field) = self.clone();
        Peer::serving(move |_| {
            let mut answer = Response::builder().status(status.load(Ordering::Relaxed).max(200) as u16);
            if let Some((name, value)) = field {
                answer = answer.header(name, value);
            }
            async move { answer.body(Held::full("")).unwrap() }
        })
    }
}

fn pool_of(peers: impl IntoIterator<Item = Peer>, change: impl FnOnce(&mut Settings)) -> Pool {
    let mut settings = settings();
    change(&mut settings);
    super::super::Pool::new(Cluster::scripted(settings, peers), 1)
}

/// How many requests of these each peer is sent: one that is sent any is connected to for each of them.
async fn spread(pool: &Pool, peers: &[Peer], requests: usize) -> Vec<usize> {
    let before: Vec<_> = peers.iter().map(Peer::dials).collect();
    for _ in 0..requests {
        // Dropped before it is read, and so nothing is used again.
        drop(send(pool, get("/")).await);
        settle().await;
    }
    peers.iter().zip(before).map(|(peer, before)| peer.dials() - before).collect()
}

fn never_kept() -> Peer {
    Peer::serving(|_| async {
        let (tell, end) = oneshot::channel();
        std::mem::forget(tell);
        Response::new(Held { data: Some(Bytes::from_static(b"held")), end: Some(end) })
    })
}

#[tokio::test(start_paused = true)]
async fn requests_go_round() {
    let peers = [never_kept(), never_kept(), never_kept()];
    let pool = pool_of(peers.clone(), |_| {});
    assert_eq!(spread(&pool, &peers, 9).await, [3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn requests_go_to_who_has_fewer_in_flight() {
    let peers = [never_kept(), never_kept()];
    let pool = pool_of(peers.clone(), |settings| settings.balance = Balance::LeastLoaded);
    let mut kept = Vec::new();
    for _ in 0..50 {
        kept.push(send(&pool, get("/")).await.unwrap());
        let [one, other] = peers.each_ref().map(Peer::dials);
        assert!(one.abs_diff(other) <= 1, "{one} and {other}");
    }
    drop(kept);
    assert!(pool.cluster().endpoints().iter().all(|endpoint| endpoint.load() == 0));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_is_left_out_for_a_while() {
    let statuses = [Status::default(), Status::default()];
    let pool = pool_of(statuses.each_ref().map(Status::peer), |settings| {
        (settings.ejection.failures, settings.ejection.base) = (3, Duration::from_secs(30));
    });
    statuses[0].set(503);
    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(send(&pool, get("/")).await.unwrap().status() == 503);
    }
    assert_eq!(failed, 3);
    advance(Duration::from_millis(29_999)).await;
    assert_eq!(pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count(), 1);
    advance(Duration::from_millis(1)).await;
    assert_eq!(pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_left_out_than_may_be() {
    for (count, well) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        let peers: Vec<_> = (0..count).map(|_| Peer::refusing()).collect();
        let pool = pool_of(peers, |settings| settings.ejection.failures = 1);
        for _ in 0..10 {
            // In panic each is tried all the same.
            assert!(send(&pool, get("/")).await.is_err());
        }
        let found = pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count();
        assert_eq!(found, well, "of {count}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_endpoints_failure_ejects_nobody() {
    let others = Status(Arc::default(), None);
    // R23: the hop has run out of the time which we gave it.
    let exceeded = Status(Arc::default(), Some((DEADLINE_EXCEEDED.as_str(), "origin=header, stage=handler")));
    others.set(500);
    let pool = pool_of([others.peer(), exceeded.peer()], |settings| settings.ejection.failures = 1);
    for late in [503, 504] {
        exceeded.set(late);
        for _ in 0..10 {
            assert!(send(&pool, get("/")).await.is_ok());
        }
    }
    let silent = pool_of([Peer::silent(), Peer::silent()], |settings| settings.ejection.failures = 1);
    for _ in 0..10 {
        let given_up = tokio::time::timeout(Duration::from_millis(999), send(&silent, get("/"))).await;
        assert!(given_up.is_err(), "whoever leaves so soon says nothing of the endpoint");
    }
    for pool in [pool, silent] {
        assert!(pool.cluster().endpoints().iter().all(|endpoint| endpoint.is_well()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_unhealthy_after_some_answers_and_healthy_again_after_some() {
    let status = Status::default();
    let pool = pool_of([status.peer(), Peer::echo()], |settings| settings.health = Some(HealthCheck::default()));
    let tending = tokio::spawn(Arc::clone(pool.cluster()).tend());
    let well = || pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count();
    let is_told = |health| pool.cluster().statuses().iter().all(|status| status.health == health);
    assert!(is_told(Health::Unknown), "nobody was asked yet");
    sleep(Duration::from_secs(1)).await;
    assert!(is_told(Health::Healthy));
    // Asked at 0 s, 5 s, 10 s, …
    status.set(500);
    for expected in [2, 2, 1, 1] {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(well(), expected);
    }
    status.set(204);
    for expected in [1, 2] {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(well(), expected);
    }
    tending.abort();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_in_time_is_not_healthy() {
    let peers = [Peer::silent(), Peer::serving(|_| std::future::pending())];
    let pool = pool_of(peers, |settings| settings.health = Some(HealthCheck { failures: 1, ..HealthCheck::default() }));
    let tending = tokio::spawn(Arc::clone(pool.cluster()).tend());
    let well = || pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count();
    sleep(Duration::from_millis(1999)).await;
    assert_eq!(well(), 2);
    sleep(Duration::from_millis(2)).await;
    assert_eq!(well(), 0);
    // All are ill, and so each may be asked.
    assert!(tokio::time::timeout(Duration::from_secs(1), send(&pool, get("/"))).await.is_err());
    tending.abort();
}

/// Says what it is told to say, and when.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    answer: Option<Vec<SocketAddr>>,
    asked: usize,
    after: Duration,
}

impl Script {
    fn say(&self, answer: Option<Vec<SocketAddr>>) {
        self.0.lock().unwrap().answer = answer;
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    fn cluster(&self) -> Arc<Cluster> {
        let settings = Settings::new(["http://api.internal:3000".parse().unwrap()]);
        Cluster::with(settings, Box::new(self.clone())).unwrap()
    }
}

impl Resolve for Script {
    fn resolve(&self, host: &str, port: u16) -> Pin<Box<dyn Future<Output = Found> + Send>> {
        assert_eq!((host, port), ("api.internal", 3000));
        let Self(told) = self.clone();
        Box::pin(async move {
            let after = {
                let mut told = told.lock().unwrap();
                told.asked += 1;
                told.after
            };
            sleep(after).await;
            told.lock().unwrap().answer.clone().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })
    }
}

fn addresses(cluster: &Cluster) -> Vec<String> {
    let mut found: Vec<_> = cluster.endpoints().iter().map(|endpoint| endpoint.name.to_string()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn the_first_request_waits_for_the_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = Script::default();
    script.say(Some(vec![listener.local_addr().unwrap()]));
    let pool: Pool = super::super::Pool::new(script.cluster(), 1);
    let (sent, accepted) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(1), send(&pool, get("/"))),
        tokio::time::timeout(Duration::from_secs(10), listener.accept()),
    );
    assert!(accepted.is_ok() && sent.is_err());
    assert_eq!(script.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_none_fails_those_who_wait_for_it_at_once() {
    let script = Script::default();
    script.0.lock().unwrap().after = Duration::from_secs(1);
    let pool: Pool = super::super::Pool::new(script.cluster(), 1);
    let start = tokio::time::Instant::now();
    let sent = futures_util::future::join_all((0..5).map(|_| send(&pool, get("/")))).await;
    assert_eq!((start.elapsed(), script.asked()), (Duration::from_secs(1), 1));
    for error in sent.into_iter().map(Result::unwrap_err) {
        assert!(error.is_connect());
        assert_eq!(error.to_string(), "api.internal: the name has no address");
    }
    assert!(send(&pool, get("/")).await.is_err());
    assert_eq!(script.asked(), 2, "and is asked for again");
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_does_not_answer_is_given_up_at_the_limit_of_connecting() {
    let script = Script::default();
    script.0.lock().unwrap().after = Duration::from_secs(60);
    let pool: Pool = super::super::Pool::new(script.cluster(), 1);
    let start = tokio::time::Instant::now();
    assert!(matches!(send(&pool, get("/")).await, Err(SendError::Resolve { .. })));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_name_to_the_next() {
    let script = Script::default();
    script.0.lock().unwrap().after = Duration::from_secs(1);
    let pool: Pool = super::super::Pool::new(script.cluster(), 1);
    let (one, other) =
        tokio::join!(tokio::time::timeout(Duration::from_millis(500), send(&pool, get("/"))), send(&pool, get("/")),);
    assert!(one.is_err() && other.is_err());
    assert_eq!(script.asked(), 1);
}

/// The system cannot be told to stop looking: each question keeps a thread, for as long as no server of names answers.
#[tokio::test(start_paused = true)]
async fn however_many_give_up_a_name_is_asked_for_once_at_a_time() {
    let script = Script::default();
    script.0.lock().unwrap().after = Duration::from_secs(60);
    let pool: Pool = super::super::Pool::new(script.cluster(), 1);
    let start = tokio::time::Instant::now();
    for _ in 0..50 {
        assert!(tokio::time::timeout(Duration::from_secs(1), send(&pool, get("/"))).await.is_err());
    }
    // The limit of connecting ends the wait of this one, but not the question.
    assert!(matches!(send(&pool, get("/")).await, Err(SendError::Resolve { .. })));
    assert_eq!((start.elapsed(), script.asked()), (Duration::from_secs(55), 1));
    script.say(Some(vec!["127.0.0.1:1".parse().unwrap()]));
    let refused = tokio::time::timeout(Duration::from_secs(6), send(&pool, get("/"))).await;
    assert!(!matches!(refused, Ok(Err(SendError::Resolve { .. }))), "the answer came late, and is used");
    assert_eq!((pool.cluster().endpoints().len(), script.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_again_and_endpoints_that_stay_are_the_same() {
    let script = Script::default();
    let parse = |all: &[&str]| Some(all.iter().map(|one| one.parse().unwrap()).collect());
    script.say(parse(&["10.0.0.1:3000", "10.0.0.2:3000", "10.0.0.1:3000"]));
    let cluster = script.cluster();
    let tending = tokio::spawn(Arc::clone(&cluster).tend());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(addresses(&cluster), ["10.0.0.1:3000 (api.internal)", "10.0.0.2:3000 (api.internal)"]);
    let find = |address: &str| {
        let address = Address::Tcp(address.parse().unwrap());
        cluster.endpoints().iter().find(|endpoint| endpoint.address == address).cloned()
    };
    let (one, two) = (find("10.0.0.1:3000").unwrap(), find("10.0.0.2:3000").unwrap());

    script.say(parse(&["10.0.0.2:3000", "10.0.0.3:3000"]));
    sleep(Duration::from_secs(28)).await;
    assert!(find("10.0.0.1:3000").is_some() && !one.is_gone());
    sleep(Duration::from_secs(2)).await;
    assert!(find("10.0.0.1:3000").is_none() && one.is_gone());
    assert!(Arc::ptr_eq(&two, &find("10.0.0.2:3000").unwrap()));
    let three = find("10.0.0.3:3000").unwrap();
    assert_eq!(three.key.place, one.key.place, "its place is free");
    assert_ne!(three.key, one.key);

    // A look-up that fails, or finds nothing, changes nothing.
    for nothing in [None, Some(Vec::new())] {
        script.say(nothing);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(addresses(&cluster).len(), 2);
    }
    assert_eq!(script.asked(), 4);
    tending.abort();
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_once_before_anybody_needs_them() {
    let script = Script::default();
    script.0.lock().unwrap().after = Duration::from_secs(1);
    script.say(Some(vec!["10.0.0.1:3000".parse().unwrap()]));
    let cluster = script.cluster();
    for _ in 0..2 {
        assert_eq!(cluster.resolve_unasked(Duration::from_secs(3)).await, []);
        assert_eq!((addresses(&cluster).len(), script.asked()), (1, 1));
    }
    let tending = tokio::spawn(Arc::clone(&cluster).tend());
    sleep(Duration::from_secs(29)).await;
    assert_eq!(script.asked(), 1, "nor does the background, at first");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(script.asked(), 2);
    tending.abort();
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_address_is_told_in_time() {
    let limits = [(0, 3, 0, "entity not found"), (60, 3, 3, "no answer within 3s"), (60, 9, 5, "no answer within 5s")];
    for (after, limit, took, why) in limits {
        let script = Script::default();
        script.0.lock().unwrap().after = Duration::from_secs(after);
        let cluster = script.cluster();
        let start = tokio::time::Instant::now();
        let told = cluster.resolve_unasked(Duration::from_secs(limit)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(took));
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("upstream: api.internal: the name has no address: {why}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_to_an_endpoint_that_is_gone_are_closed() {
    let (peer, other) = (Peer::echo(), Peer::echo());
    let pool = pool_of([peer.clone()], |_| {});
    drop(text(send(&pool, get("/")).await.unwrap()).await);
    drop(text(send(&pool, grpc("/")).await.unwrap()).await);
    let held = send(&pool, get("/")).await.unwrap();
    pool.cluster().exchange([other.clone()]);
    drop(text(held).await);
    settle().await;
    // That of HTTP/2 stays until somebody looks after what is idle.
    assert_eq!(pool.state().counts(), (1, 0, 0, 0));
    drop(text(send(&pool, get("/")).await.unwrap()).await);
    assert_eq!((peer.dials(), other.dials()), (2, 1));
    sleep(Duration::from_secs(10)).await;
    settle().await;
    assert_eq!(pool.state().counts(), (0, 0, 0, 0));
}

#[tokio::test]
async fn there_is_nothing_to_tend_where_nothing_changes() {
    let cluster = Cluster::new(Settings::new(["http://127.0.0.1:1".parse().unwrap()])).unwrap();
    cluster.tend().await;
}

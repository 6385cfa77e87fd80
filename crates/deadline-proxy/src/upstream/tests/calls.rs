//! What is told of each attempt, to whoever listens to the journey of its request.

use super::*;
use crate::count::told;
use deadline_testkit::{ScriptedBody, Step};
use rcgen::generate_simple_self_signed;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{advance, sleep, timeout};
use tower_deadline::{CallEvent, Journey, Listener, Policy};

use super::super::names::{Question, Resolve};

const SECOND: Duration = Duration::from_secs(1);

/// What was heard, a word for each event, with what it says.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

impl Listener for Heard {
    fn called(&self, event: &CallEvent<'_>) {
        let said = match (event, event.error()) {
            (_, Some(error)) => format!(": {error}"),
            (CallEvent::ResolveStart { name }, _) => format!(" {name}"),
            (CallEvent::ConnectStart { address }, _) => format!(" {address}"),
            (CallEvent::Connected { reused: false, idle: None }, _) => " new".to_owned(),
            (CallEvent::Connected { reused: true, idle: Some(idle) }, _) => format!(" kept, idle {idle:?}"),
            (CallEvent::Connected { .. }, _) => " in another way".to_owned(),
            _ => String::new(),
        };
        self.0.lock().unwrap().push(format!("{}{said}", event.as_str()));
    }
}

impl Heard {
    /// What was heard since the last time.
    fn all(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The request, and who listens to its journey.
fn heard<B>(mut request: Request<B>) -> (Request<B>, Arc<Heard>) {
    let (journey, heard) = (Journey::new(Arc::new(Policy::new()), true), Arc::<Heard>::default());
    journey.listen(heard.clone());
    request.extensions_mut().insert(journey);
    (request, heard)
}

const MADE: [&str; 3] = ["connect_start scripted", "connect_end", "connected new"];
const ANSWERED: [&str; 3] = ["request_written", "first_byte", "last_byte"];

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_from_its_connection_to_the_last_byte() {
    let pool = pool(&Peer::echo(), |_| {});
    let (request, new) = heard(get("/"));
    text(send(&pool, request).await.unwrap()).await;
    assert_eq!(new.all(), [MADE, ANSWERED].concat());
    advance(3 * SECOND).await;
    let (request, kept) = heard(get("/"));
    text(send(&pool, request).await.unwrap()).await;
    assert_eq!(kept.all(), [&["connected kept, idle 3s"][..], &ANSWERED].concat());
    assert!(new.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_is_told_as_kept_to_whoever_did_not_make_it() {
    let holding = Holding::default();
    let pool = pool(&holding.peer(), |_| {});
    let (first, maker) = heard(grpc("/"));
    let (second, rider) = heard(grpc("/"));
    let (one, other) = tokio::join!(send(&pool, first), send(&pool, second));
    assert_eq!(maker.all(), [&MADE[..], &ANSWERED[..2]].concat());
    assert_eq!(rider.all(), [&["connected kept, idle 0ns"][..], &ANSWERED[..2]].concat());
    for answer in [one, other] {
        holding.end_first().await;
        text(answer.unwrap()).await;
    }
    assert_eq!((maker.all(), rider.all()), (vec!["last_byte".to_owned()], vec!["last_byte".to_owned()]));
    advance(2 * SECOND).await;
    let (third, later) = heard(grpc("/"));
    drop(send(&pool, third).await.unwrap());
    assert_eq!(later.all()[0], "connected kept, idle 2s");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_written_once_its_body_is() {
    let reading = Peer::serving(|request| async move {
        let whole = BodyExt::collect(request.into_body()).await.unwrap();
        Response::new(Held::full(whole.to_bytes()))
    });
    let pool = super::super::Pool::new(Cluster::scripted(settings(), [reading]), 1);
    for steps in
        [vec![Step::Data("a"), Step::Data("b")], vec![Step::Data("a"), Step::Pause, Step::Data("b"), Step::Pause]]
    {
        let (request, heard) = heard(Request::post("/").body(ScriptedBody::new(steps)).unwrap());
        let answer = pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await.unwrap();
        BodyExt::collect(answer.into_body()).await.unwrap();
        settle().await;
        let told = heard.all();
        assert!(told.ends_with(&ANSWERED.map(str::to_owned)), "{told:?}");
    }
    // It waits for more of its body, and the answer is there.
    let pool = super::super::Pool::new(Cluster::scripted(settings(), [Holding::default().peer()]), 1);
    let body = ScriptedBody::new([Step::Data("a"), Step::Stall]);
    let (request, heard) = heard(Request::post("/").body(body).unwrap());
    let answer = pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await.unwrap();
    settle().await;
    let told = heard.all();
    assert!(told.ends_with(&["first_byte".to_owned()]) && !told.contains(&"request_written".to_owned()), "{told:?}");
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_fails_is_not_written() {
    let pool = super::super::Pool::new(Cluster::scripted(settings(), [Peer::serving(|_| std::future::pending())]), 1);
    for version in ["text/plain", "application/grpc"] {
        let body = ScriptedBody::new([Step::Data("a"), Step::Pause, Step::Error]);
        let (request, heard) = heard(Request::post("/").header("content-type", version).body(body).unwrap());
        assert!(pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await.is_err());
        assert_eq!(heard.all(), MADE, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_or_is_not_read_has_no_last_byte() {
    let pool = pool(&Holding::default().peer(), |_| {});
    let (request, heard) = heard(get("/"));
    drop(send(&pool, request).await.unwrap());
    settle().await;
    assert_eq!(heard.all().last().map(String::as_str), Some("first_byte"));
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_that_is_tried_is_told() {
    let peers = [Peer::refusing(), Peer::refusing()];
    let pool: Pool = super::super::Pool::new(Cluster::scripted(settings(), peers), 1);
    let (request, heard) = heard(get("/"));
    assert!(send(&pool, request).await.is_err());
    assert_eq!(heard.all(), ["connect_start scripted", "connect_end: connection refused"].repeat(2));
}

// R16
#[tokio::test(start_paused = true)]
async fn what_is_withheld_has_a_connection_and_nothing_more() {
    let pool = pool(&Peer::echo(), |_| {});
    let (request, heard) = heard(get("/"));
    assert!(pool.send(request, |_| Err("nothing is left")).await.is_err());
    assert_eq!(heard.all(), MADE);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_deadline_is_told() {
    let blackhole = pool(&Peer::silent(), |_| {});
    let (request, connecting) = heard(get("/"));
    assert!(timeout(SECOND, send(&blackhole, request)).await.is_err());
    assert_eq!(connecting.all(), ["connect_start scripted"], "whoever leaves is told nothing more");

    let silent = pool(&Peer::serving(|_| std::future::pending()), |_| {});
    let (request, waiting) = heard(get("/"));
    assert!(timeout(SECOND, send(&silent, request)).await.is_err());
    assert_eq!(waiting.all(), [&MADE[..], &["request_written"]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_late_by_its_own_limit_is_told_to_have_ended() {
    let pool = pool(&Peer::silent(), |settings| settings.connect_limit = 5 * SECOND);
    let (request, heard) = heard(get("/"));
    assert!(send(&pool, request).await.is_err());
    assert_eq!(heard.all(), ["connect_start scripted", "connect_end: not within 5s"]);
}

/// Knows one address, after a second; or none.
#[derive(Debug)]
struct Names(Option<SocketAddr>);

impl Resolve for Names {
    fn resolve(&self, _: &str, _: u16) -> Question {
        let found = self.0.map(|address| vec![address]).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        Box::pin(async {
            sleep(SECOND).await;
            found
        })
    }
}

fn named(names: Names) -> Pool {
    let settings = Settings::new(["http://api.internal:1".parse().unwrap()]);
    super::super::Pool::new(Cluster::with(settings, Box::new(names)).unwrap(), 1)
}

#[tokio::test(start_paused = true)]
async fn a_name_is_told_while_it_is_asked_for() {
    let (request, dead) = heard(get("/"));
    assert!(send(&named(Names(None)), request).await.is_err());
    assert_eq!(dead.all(), ["resolve_start api.internal", "resolve_end: entity not found"]);

    let (request, asking) = heard(get("/"));
    assert!(timeout(SECOND / 2, send(&named(Names(None)), request)).await.is_err());
    assert_eq!(asking.all(), ["resolve_start api.internal"]);

    let known = named(Names(Some("127.0.0.1:1".parse().unwrap())));
    let (request, found) = heard(get("/"));
    // The address is a socket, which a paused clock does not wait for.
    let _ = timeout(2 * SECOND, send(&known, request)).await;
    assert_eq!(found.all()[..3], ["resolve_start api.internal", "resolve_end", "connect_start 127.0.0.1:1"]);
}

/// A socket that takes connections, and says nothing.
async fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn secure(address: SocketAddr) -> Pool {
    let ca = std::env::temp_dir().join(format!("calls-{}-{}.pem", std::process::id(), fastrand::u64(..)));
    std::fs::write(&ca, generate_simple_self_signed(["peer.example".to_owned()]).unwrap().cert.pem()).unwrap();
    let mut settings = Settings::new([format!("https://{address}").parse().unwrap()]);
    settings.tls.ca = Some(ca.clone());
    let cluster = Cluster::new(settings).unwrap();
    std::fs::remove_file(ca).unwrap();
    super::super::Pool::new(cluster, 1)
}

#[tokio::test]
async fn a_peer_that_says_nothing_of_tls_is_told_as_such() {
    let (listener, address) = mute().await;
    let pool = secure(address);
    let (request, heard) = heard(get("/"));
    let sent = tokio::spawn(async move { send(&pool, request).await.map(drop) });
    let (mut stream, _) = listener.accept().await.unwrap();
    // It has said hello, and waits.
    tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16]).await.unwrap();
    let connected = [format!("connect_start {address}"), "connect_end".to_owned(), "tls_start".to_owned()];
    assert_eq!(heard.all(), connected);
    drop(stream);
    assert!(sent.await.unwrap().is_err());
    let ended = heard.all();
    assert!(matches!(&ended[..], [end] if end.starts_with("tls_end: ")), "{ended:?}");
}

#[test]
fn nobody_is_told_where_nobody_listens() {
    let mut extensions = http::Extensions::new();
    assert!(!telling::Telling::of(&extensions).is_heard());
    let journey = Journey::new(Arc::new(Policy::new()), true);
    extensions.insert(journey.clone());
    assert!(!telling::Telling::of(&extensions).is_heard());
    journey.listen(Arc::<Heard>::default());
    assert!(telling::Telling::of(&extensions).is_heard());
}

/// What is told of these counts after this work, on a paused clock.
fn counted<F: Future<Output = ()>>(work: impl FnOnce() -> F) -> impl Fn(&str) -> Option<String> {
    let text = told(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(work());
    });
    move |name| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned)
}

#[test]
fn connections_are_counted_by_what_came_of_them() {
    let told = counted(|| async {
        for peer in [Peer::echo(), Peer::refusing(), Peer::refusing(), Peer::silent()] {
            drop(send(&pool(&peer, |_| {}), get("/")).await);
        }
        for _ in 0..3 {
            assert!(timeout(SECOND, send(&pool(&Peer::silent(), |_| {}), get("/"))).await.is_err());
        }
    });
    for (outcome, count) in [("made", "1"), ("refused", "2"), ("tls", "0"), ("late", "1"), ("abandoned", "3")] {
        let name = format!(r#"deadline_proxy_connects_total{{upstream="upstream",outcome="{outcome}"}}"#);
        assert_eq!(told(&name).as_deref(), Some(count), "{outcome}");
    }
}

#[test]
fn a_wait_for_a_connection_is_measured_also_where_it_is_given_up() {
    let told = counted(|| async {
        let holding = Holding::default();
        let pool = pool(&holding.peer(), |settings| settings.connections = 1);
        let first = send(&pool, get("/")).await.unwrap();
        assert!(timeout(2 * SECOND, send(&pool, get("/"))).await.is_err());
        let (second, ()) = tokio::join!(send(&pool, get("/")), async {
            sleep(3 * SECOND).await;
            drop(first);
        });
        drop(second.unwrap());
    });
    let of = |what| told(&format!(r#"deadline_proxy_pool_wait_seconds_{what}{{upstream="upstream"}}"#));
    // The recorder of these tests has no buckets, and tells a summary with the same two.
    assert_eq!((of("count").as_deref(), of("sum").as_deref()), (Some("2"), Some("5")));
}

#[test]
fn connections_are_measured_as_busy_and_idle() {
    let told = |of: fn(&Pool)| {
        counted(move || async move {
            let holding = Holding::default();
            let pool = pool(&holding.peer(), |_| {});
            let held = [send(&pool, get("/")).await.unwrap(), send(&pool, get("/")).await.unwrap()];
            let third = send(&pool, get("/")).await.unwrap();
            let http2 = send(&pool, grpc("/")).await.unwrap();
            holding.end_first().await;
            holding.end_first().await;
            for answer in held {
                text(answer).await;
            }
            of(&pool);
            drop((third, http2));
        })
    };
    let open = |told: &dyn Fn(&str) -> Option<String>| {
        ["busy", "idle"].map(|state| {
            told(&format!(r#"deadline_proxy_pool_connections{{upstream="upstream",state="{state}"}}"#)).unwrap()
        })
    };
    assert_eq!(open(&told(|pool| pool.cluster().measure())), ["2", "2"]);
    assert_eq!(open(&told(|pool| (pool.cluster().measure(), pool.cluster().unmeasure()).1)), ["0", "0"]);
}

/// A peer of HTTP/1.1 that answers with these interim answers before its own.
fn saying(interim: &'static str) -> Peer {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    Peer::scripted(move |_| async move {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            while theirs.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                let answer = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                theirs.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Ok(ours)
    })
}

// R34
#[test]
fn interim_answers_are_counted_and_do_not_get_in_the_way() {
    let told = counted(|| async {
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
        let both = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
        for (interim, method) in [(hints, "GET"), (both, "POST"), ("", "GET")] {
            let pool = pool(&saying(interim), |_| {});
            for _ in 0..2 {
                let mut request = get("/");
                *request.method_mut() = method.parse().unwrap();
                assert_eq!(text(send(&pool, request).await.unwrap()).await, "ok");
            }
        }
    });
    assert_eq!(told("deadline_proxy_interim_dropped_total").as_deref(), Some("4"));
}

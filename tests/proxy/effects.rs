//! What a request does is done once (RFC 9110 §9.2.2): what is sent again, and what never.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::Reason;
use http::{Request, Response};
use tokio::net::TcpListener;

use crate::support::{
    Act, Asked, Chance, H2Client, Http1Client, MS, Mirror, Proxy, Then, Told, Upstream, Visit, crowd,
};

const WHOLE: Duration = Duration::from_secs(5);

/// A proxy that tries all it may, at the same upstream and at the next.
async fn eager(a: &Mirror, b: &Mirror, more: &str) -> Proxy {
    let rest = format!(
        "[policy.default]\nretries = 3\nbackoff = \"1ms\"\n[retry_budget]\nratio = 1.0\nmin_per_second = 1000\n\
         [[route]]\nupstream = \"a|b\"\ntry_timeout = \"100ms\"\n{more}"
    );
    Proxy::of(&[("a", a.address), ("b", b.address)], &rest).await
}

/// A proxy of one upstream, with this policy.
async fn alone(mirror: &Mirror, policy: &str, more: &str) -> Proxy {
    let rest = format!("[policy.default]\n{policy}\n[[route]]\nupstream = \"a\"\n{more}");
    Proxy::of(&[("a", mirror.address)], &rest).await
}

async fn ask(proxy: &Proxy, asked: Asked) -> Told {
    asked.put(&mut Http1Client::connect(proxy.address).await).await
}

/// Fails most of the time after it has read all of a request, as if it had been done.
fn fail(seed: u64) -> impl Fn(&Visit, usize) -> Act + Send + Sync {
    move |_, number| match Chance::of(seed, number).share() {
        ..0.2 => Act::answer(503, "", "busy\n"),
        ..0.3 => Act::answer(500, "", "oops\n"),
        ..0.4 => Act::answer(404, "", "none\n"),
        ..0.55 => Act::now(Then::Close),
        ..0.7 => Act::now(Then::Reset),
        ..0.75 => Act::now(Then::Stall),
        ..0.77 => Act::now(Then::Leave(5 * MS)),
        _ => Act::answer(200, "", "done\n"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_has_one_effect_at_most() {
    let (a, b) = (Mirror::start(fail(21)), Mirror::start(fail(22)));
    let proxy = eager(&a, &b, "").await;
    let posts = |number: usize| {
        let start = if number.is_multiple_of(2) { "POST /" } else { "PATCH /" };
        Asked::with_body(start, WHOLE, format!("token {number}"))
    };
    let told = crowd(&proxy, 20, 1_000, posts).await;
    let mut effects: HashMap<_, usize> = HashMap::new();
    for visit in a.visits().into_iter().chain(b.visits()) {
        *effects.entry(String::from_utf8(visit.body).unwrap()).or_default() += 1;
    }
    let twice: Vec<_> = effects.iter().filter(|(_, effects)| **effects > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let done = told.iter().filter(|told| told.status() == 200).count();
    // Whoever did not arrive at the first did at the second.
    assert!(effects.len() > 900 && done > 150, "{} {done}", effects.len());
    assert!(told.iter().filter(|told| told.status() == 200).all(|told| effects.contains_key(&told.asked.body)));
    // The same upstreams are asked more than once for what can be done twice.
    let before = a.visits().len() + b.visits().len();
    crowd(&proxy, 20, 200, |number| Asked::with_body("PUT /", WHOLE, format!("token {number}"))).await;
    assert!(a.visits().len() + b.visits().len() > before + 300);
}

#[tokio::test]
async fn a_body_is_sent_again_byte_for_byte() {
    let once = |_: &Visit, number: usize| Act::answer(if number == 0 { 503 } else { 200 }, "", "ok\n");
    let body: String = (0..10_240).map(|at| char::from(b'!' + u8::try_from(at * 7 % 90).unwrap())).collect();
    for (more, visits, status) in [("", 2, 200), ("replay = 10239\n", 1, 503), ("replay = 10240\n", 2, 200)] {
        let mirror = Mirror::start(once);
        let proxy = alone(&mirror, "retries = 2\nbackoff = \"1ms\"", more).await;
        let told = ask(&proxy, Asked::with_body("PUT /", WHOLE, body.clone())).await;
        let came = mirror.visits();
        assert_eq!((told.status(), came.len()), (status, visits), "{more}");
        assert!(came.iter().all(|visit| visit.body == body.as_bytes()), "{more}");
        let lengths: Vec<_> = came.iter().map(|visit| visit.head.headers["content-length"].clone()).collect();
        assert!(lengths.iter().all(|length| length == "10240"), "{more} {lengths:?}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_sent_again_as_it_is() {
    let mirror = Mirror::start(|_, number| Act::answer(if number == 0 { 503 } else { 200 }, "", "ok\n"));
    let proxy = alone(&mirror, "retries = 2\nbackoff = \"1ms\"", "").await;
    let mut client = Http1Client::connect(proxy.address).await;
    let fields = "host: a\r\nx-request-timeout: 5s\r\ntransfer-encoding: chunked\r\n";
    client.send(&format!("PUT / HTTP/1.1\r\n{fields}\r\n3\r\none\r\n")).await;
    client.send("4\r\nfour\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.0.status(), 200);
    let bodies: Vec<_> = mirror.visits().into_iter().map(|visit| visit.body).collect();
    assert_eq!(bodies, [b"onefour", b"onefour"]);
}

#[tokio::test]
async fn a_body_that_is_under_way_goes_on_to_the_next() {
    let busy = "HTTP/1.1 503 So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let mut a = Upstream::answering(busy).await;
    let b = Mirror::start(|_, _| Act::answer(200, "", "ok\n"));
    let proxy = Proxy::of(&[("a", a.address), ("b", b.address)], "[[route]]\nupstream = \"a|b\"\n").await;
    let mut client = Http1Client::connect(proxy.address).await;
    let fields = "host: a\r\nx-request-timeout: 5s\r\ncontent-length: 10";
    client.send(&format!("PUT / HTTP/1.1\r\n{fields}\r\n\r\n01234")).await;
    // It does not wait for the rest before it answers.
    a.request().await;
    a.exchange().await;
    client.send("56789").await;
    assert_eq!(client.answer().await.0.status(), 200);
    assert_eq!(b.visits()[0].body, b"0123456789");
}

/// An upstream that resets each first stream of HTTP/2 for this reason, and how many streams there were.
async fn resetting(reason: Reason) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, streams) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&streams);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    if count.fetch_add(1, Ordering::Relaxed) == 0 {
                        answer.send_reset(reason);
                    } else {
                        let mut body = answer.send_response(Response::new(()), false).unwrap();
                        body.send_data(Bytes::from_static(b"ok\n"), true).unwrap();
                    }
                }
            });
        }
    });
    (address, streams)
}

/// RFC 9113 §8.7: what was refused was not begun.
#[tokio::test]
async fn what_http2_refuses_can_be_sent_again_and_what_it_breaks_off_cannot() {
    for (reason, status, visits) in [(Reason::REFUSED_STREAM, 200, 2), (Reason::INTERNAL_ERROR, 502, 1)] {
        let (address, streams) = resetting(reason).await;
        let rest = "http = \"2\"\n[policy.default]\nretries = 1\nbackoff = \"1ms\"\n[[route]]\nupstream = \"a\"\n";
        let proxy = Proxy::of(&[("a", address)], rest).await;
        let mut client = H2Client::connect(proxy.address).await;
        let post = Request::post(proxy.url("/")).header("x-request-timeout", "5s").body(()).unwrap();
        let reply = client.post(post, Bytes::from_static(b"token"), None).await;
        assert_eq!((reply.status, streams.load(Ordering::Relaxed)), (status, visits), "{reason:?}");
    }
}

/// A kept connection that an upstream closes at the very moment of a request: it says nothing of the request.
#[tokio::test]
async fn a_kept_connection_that_closes_is_nobodys_fault_where_it_can_be_sent_again() {
    for (start, status, visits) in [("GET /", 200, 2), ("PUT /", 200, 2), ("POST /", 502, 1)] {
        let mirror = Mirror::start(|visit, _| match visit.turn {
            0 => Act::answer(200, "", "ok\n"),
            _ => Act::now(Then::Close),
        });
        // Without any retries.
        let proxy = alone(&mirror, "", "").await;
        let mut client = Http1Client::connect(proxy.address).await;
        assert_eq!(Asked::get("/first", WHOLE).put(&mut client).await.status(), 200);
        let body = if start == "GET /" { "" } else { "token" };
        let told = Asked::with_body(start, WHOLE, body).put(&mut client).await;
        assert_eq!((told.status(), mirror.visits_for("/")), (status, visits), "{start}: {told:?}");
        assert_eq!(mirror.visits()[1].turn, 1, "{start} came on the kept one");
    }
}

/// After a restart all that was kept is closed, and nobody who is sent again meets one after the other.
#[tokio::test]
async fn of_many_kept_connections_that_close_each_is_nobodys_fault() {
    let mirror = Mirror::start(|visit, _| match (visit.turn, visit.head.path()) {
        (0, "/first") => Act { after: 100 * MS, ..Act::answer(200, "", "ok\n") },
        (0, _) => Act::answer(200, "", "ok\n"),
        _ => Act::now(Then::Close),
    });
    let proxy = alone(&mirror, "", "").await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(Http1Client::connect(proxy.address).await);
    }
    let first = clients.iter_mut().map(|client| Asked::get("/first", WHOLE).put(client));
    assert!(join_all(first).await.iter().all(|told| told.status() == 200));
    for client in &mut clients {
        assert_eq!(Asked::get("/", WHOLE).put(client).await.status(), 200);
    }
}

#[tokio::test]
async fn a_connection_that_was_not_kept_and_closes_is_a_502() {
    let mirror = Mirror::start(|_, _| Act::now(Then::Close));
    let proxy = alone(&mirror, "", "").await;
    assert_eq!((ask(&proxy, Asked::get("/", WHOLE)).await.status(), mirror.visits().len()), (502, 1));
}

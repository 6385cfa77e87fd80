//! What an endpoint is blamed for, and what not: a client must not be able to have one left out.

use super::*;
use http_body_util::StreamBody;
use hyper::server::conn::{http1, http2};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// One that speaks this version alone.
fn speaking(version: &'static str) -> Peer {
    Peer::scripted(move |_| async move {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Held::full("ok"))) });
        tokio::spawn(async move {
            let io = TokioIo::new(theirs);
            let _ = match version {
                "1.1" => http1::Builder::new().serve_connection(io, service).await,
                _ => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
            };
        });
        Ok(ours)
    })
}

fn pool_of(peers: impl IntoIterator<Item = Peer>) -> Pool {
    let mut settings = settings();
    settings.ejection.failures = 2;
    super::super::Pool::new(Cluster::scripted(settings, peers), 1)
}

fn well<B>(pool: &super::super::Pool<B>) -> usize {
    pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count()
}

type Ask = fn(&str) -> Request<Full<Bytes>>;

#[tokio::test(start_paused = true)]
async fn a_version_that_an_endpoint_does_not_speak_leaves_it_in() {
    for (version, good, bad) in [("1.1", get as Ask, grpc as Ask), ("2", grpc, get)] {
        let pool = pool_of([speaking(version), speaking(version)]);
        for _ in 0..4 {
            assert_eq!(text(send(&pool, good("/")).await.unwrap()).await, "ok");
        }
        for _ in 0..10 {
            assert!(send(&pool, bad("/")).await.is_err());
        }
        assert_eq!(well(&pool), 2, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_machine_lacks_leaves_every_endpoint_in() {
    // EMFILE, ENFILE, EADDRNOTAVAIL as Linux numbers them.
    for lacking in [24, 23, 99] {
        let peer = || Peer::scripted(move |_| async move { Err(io::Error::from_raw_os_error(lacking)) });
        let pool = pool_of([peer(), peer()]);
        for _ in 0..10 {
            assert!(send(&pool, get("/")).await.is_err());
        }
        assert_eq!(well(&pool), 2, "{lacking}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_fails_leaves_the_endpoint_in() {
    type Failing = StreamBody<futures_util::stream::Iter<std::vec::IntoIter<io::Result<Frame<Bytes>>>>>;
    let reading = || {
        Peer::serving(|request| async move {
            let _ = request.into_body().collect().await;
            std::future::pending().await
        })
    };
    for kind in ["text/plain", "application/grpc"] {
        let mut settings = settings();
        settings.ejection.failures = 2;
        let cluster = Cluster::scripted(settings, [reading(), reading()]);
        let pool: super::super::Pool<Failing> = super::super::Pool::new(cluster, 1);
        for _ in 0..10 {
            let frames = vec![Ok(Frame::data(Bytes::from_static(b"a"))), Err(io::Error::other("malformed"))];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let request = Request::post("/").header("content-type", kind).body(body).unwrap();
            let sent =
                timeout(Duration::from_secs(1), pool.send(request, |_| Ok::<_, Infallible>(Allotted::default()))).await;
            assert!(matches!(sent.unwrap(), Err(SendError::Body(_))), "{kind}");
        }
        assert_eq!(well(&pool), 2, "{kind}");
    }
}

/// Waits so long for somebody who says nothing, and is given this by the caller.
async fn wait(pool: &Pool, request: Request<Full<Bytes>>, waited: Duration, (until, fair): (Duration, Duration)) {
    let until = (Instant::now() + until).into_std();
    let sent = pool.send(request, |_| Ok::<_, Infallible>(Allotted::until(until, fair)));
    assert!(timeout(waited, sent).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn silence_blames_the_endpoint_once_the_time_is_up_and_was_fair() {
    let mute = || Peer::serving(|_| std::future::pending());
    // How long was waited, what was allotted, and what is fair, in milliseconds.
    let cases = [(100, 100, 100, 1), (99, 100, 0, 2), (100, 100, 101, 2), (5, 1, 0, 1), (5, 1, 6, 2), (500, 501, 9, 2)];
    for (waited, until, fair, expected) in cases {
        let [waited, until, fair] = [waited, until, fair].map(Duration::from_millis);
        for request in [get, grpc] {
            let pool = pool_of([mute(), mute()]);
            for _ in 0..10 {
                wait(&pool, request("/"), waited, (until, fair)).await;
            }
            assert_eq!(well(&pool), expected, "{waited:?} of {until:?}, fair is {fair:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_says_something_now_and_then_is_not_silent() {
    let asked = Arc::new(AtomicUsize::new(0));
    let now_and_then = || {
        let asked = Arc::clone(&asked);
        Peer::serving(move |_| {
            let answers = asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            async move { if answers { Response::new(Held::full("")) } else { std::future::pending().await } }
        })
    };
    let pool = pool_of([now_and_then()]);
    let limit = Duration::from_millis(100);
    for _ in 0..10 {
        assert!(send(&pool, get("/")).await.is_ok());
        wait(&pool, get("/"), limit, (limit, limit)).await;
        assert!(pool.cluster().endpoints()[0].vitals.failures() <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_one_all_the_same() {
    let settings = Settings { ejection: Ejection { failures: 1, ..Ejection::default() }, ..settings() };
    let cluster = Cluster::scripted(settings, [Peer::echo(), Peer::echo()]);
    let pool: Pool = super::super::Pool::new(cluster, 1);
    for request in [get, get, grpc, grpc] {
        let until = Instant::now().into_std();
        let sent = pool.send(request("/"), |_| Ok::<_, Infallible>(Allotted::until(until, Duration::ZERO)));
        assert!(sent.await.is_ok());
    }
    assert_eq!(well(&pool), 2);
}

/// A body of one part, and then after so long its end.
struct Slow(Option<Bytes>, Pin<Box<tokio::time::Sleep>>);

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => self.1.as_mut().poll(cx).map(|()| None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_counts_from_the_end_of_the_request() {
    let reading = || {
        Peer::serving(|request| async move {
            let _ = request.into_body().collect().await;
            std::future::pending().await
        })
    };
    let limit = Duration::from_millis(100);
    for (end, expected) in [(49, 1), (50, 1), (51, 2), (100, 2), (200, 2)] {
        for kind in ["text/plain", "application/grpc"] {
            let cluster = pool_of([reading(), reading()]).cluster().clone();
            let pool: super::super::Pool<Slow> = super::super::Pool::new(cluster, 1);
            for _ in 0..10 {
                let body = Slow(Some(Bytes::from_static(b"a")), Box::pin(sleep(Duration::from_millis(end))));
                let request = Request::post("/").header("content-type", kind).body(body).unwrap();
                let until = (Instant::now() + limit).into_std();
                let sent = pool.send(request, |_| Ok::<_, Infallible>(Allotted::until(until, limit / 2)));
                assert!(timeout(limit, sent).await.is_err());
            }
            let found = pool.cluster().endpoints().iter().filter(|endpoint| endpoint.is_well()).count();
            assert_eq!(found, expected, "{kind} that ends after {end} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_after_a_second_of_connecting_blames_the_endpoint() {
    for (patience, expected) in [(999, 2), (1_000, 1)] {
        let pool = pool_of([Peer::silent(), Peer::silent()]);
        for _ in 0..10 {
            assert!(timeout(Duration::from_millis(patience), send(&pool, get("/"))).await.is_err());
        }
        assert_eq!(well(&pool), expected, "after {patience} ms");
    }
}

//! What an endpoint is blamed for, and what not: a client must not be able to have one left out.

use super::*;
use http_body_util::StreamBody;
use hyper::server::conn::{http1, http2};
use std::time::Duration;
use tokio::time::timeout;

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
            let sent = timeout(Duration::from_secs(1), pool.send(request, |_| Ok::<_, Infallible>(()))).await;
            assert!(matches!(sent.unwrap(), Err(SendError::Body(_))), "{kind}");
        }
        assert_eq!(well(&pool), 2, "{kind}");
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

use super::*;
use crate::proxy::{Proxy, Settings};
use crate::serve::{Terms, serve};
use crate::upstream;
use http_body_util::Full;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn ok(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/hangup" {
        let hangup = request.extensions().get::<Hangup>().unwrap().clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            hangup.now();
        });
        return pending().await;
    }
    Ok(Response::new(Full::from("ok")))
}

/// A client, the task that serves it, and what stops that.
fn served() -> (DuplexStream, JoinHandle<()>, CancellationToken) {
    let (near, far) = duplex(1024);
    let (stop, client) = (CancellationToken::new(), Client { peer: None, address: None, local: None, tls: false });
    let service = Arc::new(tower::service_fn(ok));
    let serving = converse(ready(Ok((far, client))), Arc::new(Terms::default()), service, stop.clone());
    (near, tokio::spawn(serving), stop)
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up_at_the_limit() {
    let (start, terms) = (Instant::now(), Arc::new(Terms::default()));
    let never = pending::<io::Result<(DuplexStream, Client)>>();
    converse(never, Arc::clone(&terms), Arc::new(tower::service_fn(ok)), CancellationToken::new()).await;
    assert_eq!(start.elapsed(), terms.limits.settings().started_head_limit);
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_who_has_said_nothing_is_left() {
    let (mut silent, serving, stop) = served();
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    stop.cancel();
    serving.await.unwrap();
    assert_eq!((silent.read(&mut [0; 8]).await.unwrap(), start.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_first_request_of_a_young_connection() {
    let young = FIRST_REQUEST - Duration::from_millis(1);
    for ask in [None, Some(young)] {
        let (mut client, serving, stop) = served();
        let start = Instant::now();
        stop.cancel();
        if let Some(ask) = ask {
            sleep(ask).await;
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        }
        serving.await.unwrap();
        assert_eq!(start.elapsed(), ask.unwrap_or(FIRST_REQUEST));
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert_eq!((told.is_empty(), told.starts_with("HTTP/1.1 200 ")), (ask.is_none(), ask.is_some()), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_who_has_asked_is_answered() {
    // What is looked at first must not be left to chance.
    for _ in 0..50 {
        let (mut client, serving, stop) = served();
        stop.cancel();
        client.write_all(GET).await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        serving.await.unwrap();
    }
}

#[tokio::test]
async fn who_has_connected_by_the_stop_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(GET).await.unwrap();
    serve(listener, tower::service_fn(ok), Terms::default(), ready(())).await;
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
}

// R13b
#[tokio::test(start_paused = true)]
async fn a_request_can_have_its_connection_closed_also_in_a_drain() {
    for is_draining in [false, true] {
        let (mut client, serving, stop) = served();
        client.write_all(b"GET /hangup HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        if is_draining {
            stop.cancel();
        }
        timeout(Duration::from_secs(1), serving).await.expect("is closed").unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }
}

/// Ten thousand idle connections have their tasks all the same.
#[tokio::test]
async fn what_a_connection_holds_while_nothing_is_asked_is_small() {
    let settings = Settings::new(upstream::Settings::new(["http://127.0.0.1:1".parse().unwrap()]));
    let terms = Arc::new(Terms::default());
    let service = Proxy::new(&settings, &terms.limits).unwrap().service(1);
    let never = pending::<io::Result<(crate::listen::Stream, Client)>>();
    let task = converse(never, terms, Arc::new(service), CancellationToken::new());
    let size = size_of_val(&task);
    assert!(size <= 1_600, "{size}");
}

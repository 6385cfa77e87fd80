use super::*;
use crate::limits::{Hangup, Limits};
use crate::proxy::{Proxy, Settings};
use crate::serve::drain::NEXT_REQUEST;
use crate::serve::{Always, Terms, serve};
use crate::upstream;
use http_body_util::{Full, StreamBody};
use std::convert::Infallible;
use std::future::{pending, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tower_deadline::Answers;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn ok(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/tunnel" {
        tokio::spawn(async move {
            let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            while tunnel.read(&mut [0; 8]).await.unwrap() > 0 {}
        });
        return Ok(Response::builder().status(101).body(Full::default()).unwrap());
    }
    if request.uri().path() == "/hangup" {
        let hangup = Hangup::of(request.extensions()).unwrap().clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(1)).await;
            hangup.now();
        });
        return pending().await;
    }
    Ok(Response::new(Full::from("ok")))
}

/// Everybody is served under these, and by this.
fn era<S>(terms: &Terms, service: S) -> Arc<Era<Always<S>, ()>> {
    Arc::new(Era::new(terms.clone(), Always(service), Arc::new(())))
}

/// A client, the task that serves it, and what stops that.
fn served() -> (DuplexStream, JoinHandle<()>, CancellationToken) {
    let (near, far) = duplex(1024);
    let era = era(&Terms::default(), tower::service_fn(ok));
    let stop = era.retired();
    let serving = converse(ready(Ok((far, Client::default()))), era);
    (near, tokio::spawn(serving), stop)
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up_at_the_limit() {
    let (start, terms) = (Instant::now(), Terms::default());
    let never = pending::<io::Result<(DuplexStream, Client)>>();
    converse(never, era(&terms, tower::service_fn(ok))).await;
    assert_eq!(start.elapsed(), terms.limits.settings().started_head_limit);
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_who_has_said_nothing_is_left() {
    let (mut silent, serving, stop) = served();
    sleep(2 * NEXT_REQUEST).await;
    let start = Instant::now();
    stop.cancel();
    serving.await.unwrap();
    assert_eq!((silent.read(&mut [0; 8]).await.unwrap(), start.elapsed()), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_who_has_asked_is_answered() {
    // What is looked at first must not be left to chance.
    for _ in 0..50 {
        let (mut client, serving, stop) = served();
        // Too old to be waited for.
        sleep(2 * NEXT_REQUEST).await;
        stop.cancel();
        client.write_all(GET).await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
        serving.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_who_is_in_the_middle_of_asking_is_answered() {
    let (mut client, serving, stop) = served();
    sleep(2 * NEXT_REQUEST).await;
    let (half, rest) = GET.split_at(20);
    client.write_all(half).await.unwrap();
    stop.cancel();
    sleep(2 * NEXT_REQUEST).await;
    client.write_all(rest).await.unwrap();
    let mut told = String::new();
    client.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
    serving.await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_as_much_a_connection_as_before() {
    let limits = crate::limits::Settings { connections: 1, ..Default::default() };
    let terms = Terms::new(Limits::new(limits).unwrap(), Answers::new());
    let (mut near, far) = duplex(1024);
    let client = Client::default();
    near.write_all(b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: a\r\n\r\n")
        .await
        .unwrap();
    converse(ready(Ok((far, client))), era(&terms, tower::service_fn(ok))).await;
    assert!(terms.slots.try_enter().is_none());
    drop(near);
    sleep(Duration::from_millis(1)).await;
    assert!(terms.slots.try_enter().is_some());
}

/// Ten thousand idle connections have their tasks all the same.
#[tokio::test]
async fn what_a_connection_holds_while_nothing_is_asked_is_small() {
    let settings = Settings::new(upstream::Settings::new(["http://127.0.0.1:1".parse().unwrap()]));
    let terms = Terms::default();
    let service = Proxy::new(&settings, &terms.limits).unwrap().service(&upstream::Pools::new(1));
    let never = pending::<io::Result<(crate::listen::Stream, Client)>>();
    let task = converse(never, era(&terms, service));
    let size = size_of_val(&task);
    assert!(size <= 1_700, "{size}");
}

#[tokio::test]
async fn a_request_knows_who_is_at_the_other_end_of_its_connection() {
    let told = tower::service_fn(async |request: Request<Incoming>| {
        let client = Client::of(request.extensions()).copied().unwrap_or_default();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(format!("{:?}", client.address))))
    });
    let (mut near, far) = duplex(1024);
    near.write_all(GET).await.unwrap();
    let client = Client { address: "192.0.2.1:4711".parse().ok(), ..Client::default() };
    converse(ready(Ok((far, client))), era(&Terms::default(), told)).await;
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nSome(192.0.2.1:4711)"), "{answer}");
}

/// Whoever answers pings keeps no place for ever.
#[tokio::test(start_paused = true)]
async fn a_connection_of_http2_that_asks_for_nothing_more_is_ended() {
    let (client, serving, _stop) = served();
    let handshake = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), TokioIo::new(client));
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let limit = Terms::default().limits.settings().head_limit;
    let start = Instant::now();
    for _ in 0..3 {
        let request = Request::get("http://a/").body(http_body_util::Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 200);
        sleep(limit * 9 / 10).await;
    }
    serving.await.unwrap();
    connection.await.unwrap().unwrap();
    let since_last = start.elapsed() - limit * 18 / 10;
    assert!(since_last >= limit && since_last <= 2 * limit, "{since_last:?}");
}

/// h2 makes room for further lines without telling, and hyper's HTTP/1.1 for as many names as there are lines.
#[tokio::test]
async fn a_request_with_many_lines_of_one_name_is_seen_to_be_large() {
    let capacity = tower::service_fn(async |request: Request<Incoming>| {
        let capacity = request.headers().capacity().to_string();
        Ok::<_, Infallible>(Response::builder().header("capacity", capacity).body(Full::<Bytes>::default()).unwrap())
    });
    let (near, far) = duplex(4096);
    tokio::spawn(converse(ready(Ok((far, Client::default()))), era(&Terms::default(), capacity)));
    let handshake = hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), TokioIo::new(near));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get("http://a/").body(http_body_util::Empty::<Bytes>::new()).unwrap();
    for value in 0..40 {
        request.headers_mut().append("a", value.into());
    }
    let answer = sender.send_request(request).await.unwrap();
    let capacity: usize = answer.headers()["capacity"].to_str().unwrap().parse().unwrap();
    assert!(capacity > 24, "{capacity}");
}

/// hyper alone drops what it has not written, and the client sees nothing at all.
#[tokio::test]
async fn an_answer_that_breaks_off_at_once_has_a_head() {
    let broken = tower::service_fn(async |_: Request<Incoming>| {
        let first = Ok(http_body::Frame::data(Bytes::from_static(b"part")));
        let frames = [first, Err(io::Error::from(io::ErrorKind::BrokenPipe))];
        Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
    });
    let (mut near, far) = duplex(1024);
    near.write_all(GET).await.unwrap();
    converse(ready(Ok((far, Client::default()))), era(&Terms::default(), broken)).await;
    let mut told = String::new();
    near.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("4\r\npart\r\n"), "{told:?}");
}

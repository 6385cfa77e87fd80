//! Through hyper's server, as it is set up for clients, on a paused clock.

mod writes;

use super::*;
use crate::limits::ExtendedConnect;
use bytes::Bytes;
use deadline_testkit::ScriptedError;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, service_fn};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(10);
/// More than a client and hyper take in without being read.
const LARGE: usize = 1024 * 1024;
/// What a client of HTTP/2 says before it asks: its preface, and settings by which windows are no limit.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff\
    \0\0\x04\x08\0\0\0\0\0\x7f\0\0\0";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

async fn serve(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, ScriptedError>>, ScriptedError> {
    let path = request.uri().path().to_owned();
    if path == "/large" {
        return Ok(Response::new(Full::from(vec![b'x'; LARGE]).map_err(|never| match never {}).boxed_unsync()));
    }
    if path == "/slow" {
        sleep(60 * SECOND).await;
    }
    if path == "/tunnel" || path == "/source" {
        tokio::spawn(async move {
            let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
            if path == "/source" {
                return tunnel.write_all(&[b'x'; LARGE]).await.unwrap();
            }
            let (mut reader, mut writer) = tokio::io::split(&mut tunnel);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        });
        let switch = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "echo");
        return Ok(switch.body(Empty::new().map_err(|never| match never {}).boxed_unsync()).unwrap());
    }
    request.into_body().collect().await.map_err(|_| ScriptedError)?;
    Ok(Response::new(Full::from("ok").map_err(|never| match never {}).boxed_unsync()))
}

/// A client and the task that serves it.
fn served() -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(64 * 1024);
    let limits = Limits::default();
    let (mut stream, timed) = Timed::on(server, &limits);
    let service = TowerToHyperService::new(timed.layer(service_fn(serve)));
    let serving = async move {
        let _ = match stream.version().await.unwrap() {
            Version::Http1 => limits.http1().serve_connection(TokioIo::new(stream), service).with_upgrades().await,
            Version::Http2 => limits.http2(ExtendedConnect::Off).serve_connection(TokioIo::new(stream), service).await,
        };
    };
    (client, tokio::spawn(serving))
}

async fn answered(client: &mut DuplexStream) -> String {
    let mut buffer = [0; 1_024];
    let read = client.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

async fn rest(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

/// That it is served for so long from here on, and no longer.
async fn ends_after(limit: Duration, mut serving: JoinHandle<()>) {
    let start = Instant::now();
    assert!(timeout(limit - MOMENT, &mut serving).await.is_err(), "before");
    // Bounded, because a clock that nobody waits for does not move.
    timeout(SECOND, serving).await.expect("at").unwrap();
    assert_eq!(start.elapsed(), limit);
}

/// One byte a second, until it is answered or `bytes` are through.
async fn trickle(client: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        client.write_all(&[*byte]).await.unwrap();
        if timeout(SECOND, std::future::pending::<()>()).await.is_ok() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_begun_is_given_up_at_its_limit_and_told_so() {
    let (mut client, serving) = served();
    sleep(20 * SECOND).await;
    let start = Instant::now();
    client.write_all(b"G").await.unwrap();
    let told = rest(&mut client).await;
    assert_eq!(start.elapsed(), LIMIT, "counts from its first byte");
    assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("connection: close\r\n"), "{told}");
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_win_no_time() {
    let (mut client, serving) = served();
    let start = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let sending = async {
        for byte in GET {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(SECOND).await;
        }
        std::future::pending::<()>().await;
    };
    let mut told = String::new();
    tokio::select! {
        () = sending => {}
        read = reader.read_to_string(&mut told) => drop(read.unwrap()),
    }
    assert_eq!(start.elapsed(), LIMIT);
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_head_that_ends_in_time_is_served_whatever_came_before_it() {
    let (mut client, _serving) = served();
    for _ in 0..3 {
        sleep(60 * SECOND).await;
        client.write_all(&GET[..10]).await.unwrap();
        sleep(LIMIT - SECOND / 1_000).await;
        client.write_all(&GET[10..]).await.unwrap();
        assert!(answered(&mut client).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_request_is_not_that_of_a_head() {
    let (mut client, _serving) = served();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(answered(&mut client).await.starts_with("HTTP/1.1 200 "));
    client.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60\r\n\r\n").await.unwrap();
    trickle(&mut client, &[b'x'; 60]).await;
    assert!(answered(&mut client).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_later_head_is_held_to_the_limit_too() {
    let (mut client, serving) = served();
    client.write_all(GET).await.unwrap();
    assert!(answered(&mut client).await.starts_with("HTTP/1.1 200 "));
    sleep(30 * SECOND).await;
    let start = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(rest(&mut client).await.starts_with("HTTP/1.1 408 "));
    assert_eq!(start.elapsed(), LIMIT);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_to_its_own_limit() {
    // Who serves it reads between a request and a late answer, and not again.
    for path in ["/", "/slow"] {
        let (mut client, serving) = served();
        client.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        assert!(answered(&mut client).await.starts_with("HTTP/1.1 200 "));
        ends_after(Limits::default().settings().head_limit, serving).await;
        assert_eq!(rest(&mut client).await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_http2_may_say_hello_long_before_it_asks() {
    let (client, _serving) = served();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await;
    let (mut client, connection) = handshake.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        sleep(70 * SECOND).await;
        let request = Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_that_trickles_is_told_apart_from_a_head() {
    for (hello, is_http2) in [(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], true), (b"PRINT / HTTP/1.1\r\n", false)] {
        let (mut client, _serving) = served();
        for byte in hello {
            client.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
        let told = timeout(LIMIT, client.read_u8()).await;
        // HTTP/2 begins with the server's settings, which have a length of three bytes.
        assert_eq!(told.ok().map(|byte| byte.unwrap()), Some(if is_http2 { 0 } else { b'H' }));
    }
}

// R17
#[tokio::test(start_paused = true)]
async fn what_goes_through_a_tunnel_is_no_head() {
    let (mut client, _serving) = served();
    let head = b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    client.write_all(head).await.unwrap();
    assert!(answered(&mut client).await.starts_with("HTTP/1.1 101 "));
    for _ in 0..3 {
        client.write_all(b"hello").await.unwrap();
        assert_eq!(answered(&mut client).await, "hello");
        sleep(60 * SECOND).await;
    }
}

/// The rest of an answer is still on its way to a client that does not read: a 408 would stand in the middle of it.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_into_an_answer_that_is_half_written() {
    let (mut client, server) = duplex(8);
    let (mut stream, _timed) = Timed::on(server, &Limits::default());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(stream.write_all(b"0123456789")).as_mut().poll(&mut cx).is_pending());
    client.write_all(b"G").await.unwrap();
    let mut buffer = [0; 8];
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
    // Room for a 408, if one were written.
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "late");
    drop(stream);
    assert_eq!(rest(&mut client).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_nothing_is_given_up_at_the_limit_whatever_it_speaks() {
    for hello in [&b""[..], HELLO] {
        let (mut client, serving) = served();
        client.write_all(hello).await.unwrap();
        ends_after(Limits::default().settings().head_limit, serving).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_bytes_come_in_whatever_pieces_and_are_read_by_who_reads_next() {
    for pieces in [&[GET][..], &[b"G", b"ET ", &GET[4..]], &[b"P", &b"RI"[..]], &[&HELLO[..5], &HELLO[5..]]] {
        let (mut client, server) = duplex(1024);
        let (mut stream, _timed) = Timed::on(server, &Limits::default());
        let sent = pieces.concat();
        let (version, ()) = tokio::join!(stream.version(), async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                sleep(MOMENT).await;
            }
            client.shutdown().await.unwrap();
        });
        assert_eq!(version.unwrap() == Version::Http2, sent.starts_with(b"PRI *"));
        let (mut one, mut rest) = ([0], Vec::new());
        stream.read_exact(&mut one).await.unwrap();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!([&one[..], &rest].concat(), sent);
    }
}

/// Whoever has just been answered is not idle.
#[tokio::test(start_paused = true)]
async fn idle_counts_from_the_end_of_what_was_under_way() {
    let (_stream, timed) = Timed::on(tokio::io::empty(), &Limits::default());
    let (limit, start) = (Duration::from_secs(75), Instant::now());
    let under = timed.0.enter();
    let answered = async {
        sleep(limit - Duration::from_millis(1)).await;
        drop(under);
    };
    tokio::join!(timed.idle(limit), answered);
    assert_eq!(start.elapsed(), 2 * limit);
}

/// An answer that has ended for us has not for a client that takes its time.
#[tokio::test(start_paused = true)]
async fn a_connection_is_at_rest_once_its_client_has_taken_all() {
    let (mut client, server) = duplex(8);
    let ((mut stream, timed), start) = (Timed::on(server, &Limits::default()), Instant::now());
    let takes = async {
        for _ in 0..3 {
            sleep(10 * SECOND).await;
            client.read_exact(&mut [0; 8]).await.unwrap();
        }
    };
    let rests = async {
        timed.at_rest(4 * SECOND).await;
        start.elapsed()
    };
    let (written, (), rested) = tokio::join!(stream.write_all(&[b'x'; 24]), takes, rests);
    written.unwrap();
    // The last eight bytes go out at 20 s.
    assert!((24 * SECOND..=28 * SECOND).contains(&rested), "{rested:?}");
}

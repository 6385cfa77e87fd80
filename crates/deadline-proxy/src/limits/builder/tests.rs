use super::*;
use crate::limits::{Rate, Timed, Version};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

/// A body without end, which tells how much was taken of it.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const PART: &[u8] = &[0; 1_024];
        self.0.fetch_add(PART.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PART)))))
    }
}

/// A client of a server with these limits, and how much was taken of its answers.
fn served(settings: Settings, connect: ExtendedConnect) -> (DuplexStream, Arc<AtomicUsize>) {
    let (client, server) = duplex(64 * 1_024);
    let taken = Arc::new(AtomicUsize::new(0));
    let limits = Limits::new(settings).unwrap();
    let count = Arc::clone(&taken);
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |_: Request<Incoming>| {
            let body = Endless(Arc::clone(&count));
            async { Ok::<_, Infallible>(Response::new(body)) }
        });
        let (mut stream, _) = Timed::on(server, &limits);
        let _ = match stream.version().await.unwrap() {
            Version::Http1 => limits.http1().serve_connection(TokioIo::new(stream), service).await,
            Version::Http2 => limits.http2(connect).serve_connection(TokioIo::new(stream), service).await,
        };
    });
    (client, taken)
}

async fn status(settings: Settings, fields: &str) -> String {
    let (mut client, _) = served(settings, ExtendedConnect::Off);
    client.write_all(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").as_bytes()).await.unwrap();
    let mut line = [0; 12];
    client.read_exact(&mut line).await.unwrap();
    String::from_utf8(line[9..].to_vec()).unwrap()
}

#[tokio::test]
async fn heads_of_http1_have_as_many_fields_and_bytes_as_they_may() {
    for most in [HEAD_COUNT, 7] {
        let settings = || Settings { head_count: most, ..Settings::default() };
        assert_eq!(status(settings(), &"a: b\r\n".repeat(most - 1)).await, "200");
        assert_eq!(status(settings(), &"a: b\r\n".repeat(most)).await, "431");
    }
    let settings = || Settings { head_bytes: 16_384, ..Settings::default() };
    assert_eq!(status(settings(), &format!("a: {}\r\n", "b".repeat(16_000))).await, "200");
    assert_eq!(status(settings(), &format!("a: {}\r\n", "b".repeat(17_000))).await, "431");
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The settings that the server announces, by their numbers.
async fn announced(connect: ExtendedConnect) -> Vec<(u16, u32)> {
    let settings = Settings { streams: 77, head_bytes: 12_345, ..Settings::default() };
    let (mut client, _) = served(settings, connect);
    client.write_all(PREFACE).await.unwrap();
    let mut head = [0; 9];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS");
    let mut payload = vec![0; usize::from(head[2])];
    client.read_exact(&mut payload).await.unwrap();
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    payload.chunks(6).map(|setting| (number(&setting[..2]) as u16, number(&setting[2..]))).collect()
}

#[tokio::test]
async fn clients_of_http2_are_told_their_limits() {
    let told = announced(ExtendedConnect::Off).await;
    for setting in [(3, 77), (6, 12_345)] {
        assert!(told.contains(&setting), "{setting:?}: {told:?}");
    }
    assert!(!told.iter().any(|(number, _)| *number == 8), "{told:?}");
    // RFC 8441 §3: SETTINGS_ENABLE_CONNECT_PROTOCOL.
    assert!(announced(ExtendedConnect::Offered).await.contains(&(8, 1)));
}

/// Windows as wide as can be, and nobody who reads.
#[tokio::test(start_paused = true)]
async fn what_is_not_read_over_http2_is_taken_no_further_than_a_buffer() {
    let (mut client, taken) = served(Settings::default(), ExtendedConnect::Off);
    // SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_UPDATE of the connection, and one GET.
    client.write_all(PREFACE).await.unwrap();
    client.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]).await.unwrap();
    client.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0, 0]).await.unwrap();
    client.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86, 0x01, 0x01, b'a']).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let taken = taken.load(Ordering::Relaxed);
    // What the pipe to the client holds comes on top.
    assert!((SEND_BUFFER / 2..=3 * SEND_BUFFER).contains(&taken), "{taken}");
}

#[test]
fn the_defaults_can_be_kept() {
    assert_eq!(Limits::new(Settings::default()), Ok(Limits::default()));
}

#[test]
fn what_cannot_be_kept_is_named_with_what_is_expected() {
    let base = Settings::default;
    let rate = |bytes, grace| Some(Rate { bytes, grace });
    for (settings, told) in [
        (Settings { head_count: 0, ..base() }, "limits.head_count: 0 cannot be kept; 1 to 65535 is expected"),
        (Settings { head_bytes: 8_191, ..base() }, "limits.head_bytes: 8191 cannot be kept; 8192 to 1073741824"),
        (Settings { connections: 0, ..base() }, "limits.connections: 0 "),
        (Settings { streams: 0, ..base() }, "limits.streams: 0 "),
        (Settings { in_flight: Some(0), ..base() }, "limits.in_flight: 0 "),
        (Settings { body_rate: rate(0, Duration::from_secs(1)), ..base() }, "limits.body_rate.bytes: 0 "),
        (
            Settings { body_rate: rate(1, Duration::ZERO), ..base() },
            "limits.body_rate.grace: 0ns cannot be kept; more than nothing is expected",
        ),
        (Settings { head_limit: Duration::ZERO, ..base() }, "limits.head_limit: 0ns "),
        (Settings { started_head_limit: Duration::ZERO, ..base() }, "limits.started_head_limit: 0ns "),
        (Settings { write_stall: Duration::ZERO, ..base() }, "limits.write_stall: 0ns "),
    ] {
        let error = Limits::new(settings).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn the_least_can_be_kept() {
    let least = Settings { head_bytes: 8_192, head_count: 1, connections: 1, streams: 1, ..Settings::default() };
    let limits = Limits::new(least).unwrap();
    let _ = (limits.http1(), limits.http2(ExtendedConnect::Offered));
}

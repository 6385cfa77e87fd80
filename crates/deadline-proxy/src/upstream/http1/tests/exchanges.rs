//! Whole exchanges, and connections between them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use deadline_testkit::{ScriptedBody, Step};
use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::{consume_budget, coop, yield_now};
use tokio::time::{sleep, timeout};

use super::requests::{connected, send};
use crate::upstream::http1::{Broke, Conn, Switched};

async fn hear(far: &mut DuplexStream, end: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        all.push(timeout(Duration::from_secs(9), far.read_u8()).await.expect(end).unwrap());
    }
    String::from_utf8(all).unwrap()
}

/// The rest of the answer, or how it broke off.
async fn body(conn: &mut Conn) -> Result<String, String> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|cx| conn.poll_frame(cx)).await {
        let frame = frame.map_err(|error| error.to_string())?;
        all.extend_from_slice(frame.data_ref().map_or(&b"+trailers"[..], |data| data));
    }
    Ok(String::from_utf8(all).unwrap())
}

fn is_whole(conn: &mut Conn) -> Option<bool> {
    poll_fn(|cx| conn.poll_whole(cx)).now_or_never()
}

fn get() -> Request<ScriptedBody> {
    Request::get("/").body(ScriptedBody::full("")).unwrap()
}

type Slow = StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>;

/// A body that waits for a second before each piece but the first; nothing is one that fails.
fn slow(pieces: &'static [&'static str]) -> Request<Slow> {
    let pieces = stream::iter(pieces.iter().enumerate()).then(|(at, piece)| async move {
        if at > 0 {
            sleep(Duration::from_secs(1)).await;
        }
        if piece.is_empty() {
            Err(io::Error::other("malformed"))
        } else {
            Ok(Frame::data(Bytes::from_static(piece.as_bytes())))
        }
    });
    Request::post("/")
        .header("content-length", "3")
        .body(StreamBody::new(Box::pin(pieces) as _))
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_exchange_follows_the_other() {
    let (mut conn, mut far) = connected(1024);
    for answer in ["content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n"] {
        let peer = async {
            hear(&mut far, "\r\n\r\n").await;
            far.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).await.unwrap();
        };
        let (head, ()) = tokio::join!(send(&mut conn, get()), peer);
        assert_eq!(head.unwrap().status(), 200);
        assert!(body(&mut conn).await.unwrap().starts_with("ok"));
        assert_eq!(is_whole(&mut conn), Some(true));
        conn.rest();
        assert!(!conn.is_stale());
    }
    // Whoever says something unasked has nothing to say.
    far.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    assert!(conn.is_stale());
}

/// What a task may do at once is bounded, and what it finds then must not look as if nothing were there.
#[tokio::test(start_paused = true)]
async fn what_was_said_unasked_is_found_by_who_has_done_much() {
    for said in ["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""] {
        let (mut conn, mut far) = connected(1024);
        far.write_all(said.as_bytes()).await.unwrap();
        drop(far);
        while coop::has_budget_remaining() {
            consume_budget().await;
        }
        assert!(conn.is_stale(), "{said:?}");
    }
}

// R35: what is left of the one head would be a part of the next one.
#[tokio::test(start_paused = true)]
async fn nothing_follows_a_request_whose_head_was_answered_before_it_was_written() {
    let (mut conn, mut far) = connected(16);
    let long = Request::get("/").header("x", "a".repeat(2000)).body(ScriptedBody::full("")).unwrap();
    let peer = async {
        hear(&mut far, "GET /").await;
        far.write_all(b"HTTP/1.1 431 Large\r\n").await.unwrap();
        far.write_all(b"content-length: 2\r\n\r\nno").await.unwrap();
    };
    let (head, ()) = tokio::join!(send(&mut conn, long), peer);
    assert_eq!(head.unwrap().status(), 431);
    assert_eq!(body(&mut conn).await.as_deref(), Ok("no"));
    assert_eq!(is_whole(&mut conn), Some(false));
}

/// Others have work to do, too.
#[tokio::test(start_paused = true)]
async fn who_answers_without_end_that_it_will_answer_takes_no_more_than_its_turn() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let (mut conn, mut far) = connected(1024 * 1024);
    far.write_all("HTTP/1.1 102 Processing\r\n\r\n".repeat(10_000).as_bytes()).await.unwrap();
    assert!(conn.begin(&get()).is_none());
    let count = |_: StatusCode| _ = SEEN.fetch_add(1, Ordering::Relaxed);
    yield_now().await;
    let head = poll_fn(|cx| Poll::Ready(conn.poll_head::<ScriptedBody>(cx, &mut None, count))).await;
    let seen = SEEN.load(Ordering::Relaxed);
    assert!(head.is_pending() && (1..1000).contains(&seen), "{seen}");
    // It goes on by itself.
    let late = timeout(Duration::from_secs(1), poll_fn(|cx| conn.poll_head::<ScriptedBody>(cx, &mut None, count)));
    assert!(late.await.is_err());
    assert_eq!(SEEN.load(Ordering::Relaxed), 10_000);
}

// R34
#[tokio::test(start_paused = true)]
async fn an_answer_may_come_before_its_request_is_whole() {
    let (mut conn, mut far) = connected(1024);
    let peer = async {
        hear(&mut far, "\r\n\r\na").await;
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    };
    let (head, ()) = tokio::join!(send(&mut conn, slow(&["a", "b", "c"])), peer);
    head.unwrap();
    assert_eq!(body(&mut conn).await.as_deref(), Ok("ok"));
    assert_eq!(is_whole(&mut conn), None);
    // Nobody reads, and it goes on all the same.
    assert_eq!(hear(&mut far, "c").await, "bc");
    yield_now().await;
    assert_eq!(is_whole(&mut conn), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_off_behind_its_answer_breaks_off_the_answer() {
    let (mut conn, mut far) = connected(1024);
    let peer = async {
        hear(&mut far, "\r\n\r\na").await;
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await.unwrap();
    };
    let (head, ()) = tokio::join!(send(&mut conn, slow(&["a", ""])), peer);
    head.unwrap();
    assert!(body(&mut conn).await.is_err());
    assert_eq!(is_whole(&mut conn), Some(false));
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_fails_before_the_answer_is_told() {
    let (mut conn, _far) = connected(1024);
    let request = Request::post("/").body(ScriptedBody::new([Step::Data("a"), Step::Error])).unwrap();
    assert!(matches!(send(&mut conn, request).await, Err(Broke::Body(_))));
}

// R33
#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_not_whole() {
    for (said, expected) in [
        ("", None),
        ("HTTP/1.1 200 OK\r\n", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Some(false)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", Some(false)),
        ("HTTP/1.1 200 OK\r\n\r\nok", Some(true)),
    ] {
        let (mut conn, mut far) = connected(1024);
        let peer = async move {
            hear(&mut far, "\r\n\r\n").await;
            far.write_all(said.as_bytes()).await.unwrap();
        };
        let (head, ()) = tokio::join!(send(&mut conn, get()), peer);
        let read = if head.is_ok() { Some(body(&mut conn).await.is_ok()) } else { None };
        assert_eq!(read, expected, "{said:?}");
        assert_eq!(is_whole(&mut conn), Some(false), "{said:?}");
    }
}

// R32
#[tokio::test(start_paused = true)]
async fn what_came_behind_a_101_is_the_first_of_the_tunnel() {
    let (mut conn, mut far) = connected(1024);
    let peer = async {
        hear(&mut far, "\r\n\r\n").await;
        far.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhello").await.unwrap();
    };
    let (head, ()) = tokio::join!(send(&mut conn, get()), peer);
    let mut head = head.unwrap();
    head.extensions_mut().insert(conn.switch().unwrap());
    let mut tunnel = Switched::take(&mut head).unwrap();
    assert!(Switched::take(&mut head).is_none());
    let mut said = [0; 5];
    tunnel.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");
    tunnel.write_all(b"you").await.unwrap();
    far.write_all(b" too").await.unwrap();
    assert_eq!(hear(&mut far, "you").await, "you");
    let mut said = [0; 4];
    tunnel.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b" too");
}

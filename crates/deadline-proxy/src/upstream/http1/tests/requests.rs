//! How a request looks to a peer, however slowly it takes it.

use std::future::poll_fn;

use deadline_testkit::{ScriptedBody, Step};
use http::{HeaderMap, HeaderValue, Request};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use crate::upstream::http1::{Broke, Conn};
use crate::upstream::io::Io;
use crate::upstream::lease::Sent;
use crate::upstream::outgoing::Outgoing;
use crate::upstream::telling::Telling;

/// A connection whose peer takes no more than so many bytes before it reads.
pub(super) fn connected(room: usize) -> (Conn, DuplexStream) {
    let (near, far) = duplex(room);
    (Conn::new(Io::Memory(near)), far)
}

/// Sends a request, and waits for its head.
pub(super) async fn send<B: Sent>(conn: &mut Conn, request: Request<B>) -> Result<http::Response<()>, Broke> {
    let begun = conn.begin(&request);
    let (body, _) = Outgoing::new(request.into_body(), &Telling::default());
    let mut upload = begun.map(|begun| begun.upload(body));
    let head = poll_fn(|cx| conn.poll_head(cx, &mut upload, drop)).await;
    if let (Ok(_), Some(upload)) = (&head, upload) {
        conn.go_on(upload);
    }
    head
}

/// What a peer is sent, which then closes without a word.
async fn sent(request: Request<ScriptedBody>, room: usize) -> (String, bool) {
    let (mut conn, mut far) = connected(room);
    let peer = async {
        let (mut all, mut some) = (Vec::new(), [0; 64]);
        // The whole of it is there once nothing more comes for a while.
        while let Ok(Ok(read @ 1..)) =
            tokio::time::timeout(std::time::Duration::from_secs(1), far.read(&mut some)).await
        {
            all.extend_from_slice(&some[..read]);
        }
        drop(far);
        String::from_utf8(all).unwrap()
    };
    let (head, all) = tokio::join!(send(&mut conn, request), peer);
    (all, matches!(head, Err(Broke::Sent(_))))
}

fn trailers(names: &[&'static str]) -> Step {
    let fields = names.iter().map(|name| ((*name).parse().unwrap(), HeaderValue::from_static("1")));
    Step::Trailers(fields.collect::<HeaderMap>())
}

fn request(method: &str, fields: &[(&str, &str)], body: ScriptedBody) -> Request<ScriptedBody> {
    let request = Request::builder().method(method).uri("/a?b=c");
    fields
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body)
        .unwrap()
}

/// What is sent after the first line, for any room that the peer has.
async fn after_line(make: impl Fn() -> Request<ScriptedBody>) -> String {
    let (as_one, _) = sent(make(), 64 * 1024).await;
    for room in [1, 2, 7, 64] {
        assert_eq!(sent(make(), room).await.0, as_one, "{room}");
    }
    as_one.split_once(" /a?b=c HTTP/1.1\r\n").unwrap().1.to_owned()
}

// R14
#[tokio::test(start_paused = true)]
async fn the_end_of_a_body_is_told_by_its_length_or_in_chunks() {
    let two = || [Step::Data("a"), Step::Pause, Step::Data("bc")];
    for method in ["GET", "POST", "HEAD", "DELETE"] {
        let none = || request(method, &[("x", "y")], ScriptedBody::full(""));
        assert_eq!(after_line(none).await, "x: y\r\n\r\n", "{method}");
        let sized = || request(method, &[], ScriptedBody::new(two()).telling_size());
        assert_eq!(after_line(sized).await, "content-length: 3\r\n\r\nabc", "{method}");
        let told = || request(method, &[("content-length", "3")], ScriptedBody::new(two()));
        assert_eq!(after_line(told).await, "content-length: 3\r\n\r\nabc", "{method}");
        let unsized_ = || request(method, &[], ScriptedBody::new(two()));
        let chunks = "transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
        assert_eq!(after_line(unsized_).await, chunks, "{method}");
    }
    let zero = || request("POST", &[("content-length", "0")], ScriptedBody::full(""));
    assert_eq!(after_line(zero).await, "content-length: 0\r\n\r\n");
    // What the request says of its framing is not believed.
    let wrong = || request("POST", &[("transfer-encoding", "gzip")], ScriptedBody::new(two()).telling_size());
    assert_eq!(after_line(wrong).await, "content-length: 3\r\n\r\nabc");
}

#[tokio::test(start_paused = true)]
async fn a_target_without_a_path_is_given_one() {
    for (target, line) in [("/", "GET / "), ("http://a?b", "GET /?b "), ("/a?b", "GET /a?b "), ("http://a", "GET / ")] {
        let request = Request::get(target).body(ScriptedBody::full("")).unwrap();
        let (all, _) = sent(request, 1024).await;
        assert!(all.starts_with(line), "{target}: {all}");
    }
}

// R34
#[tokio::test(start_paused = true)]
async fn trailers_that_were_announced_and_may_stand_there_are_sent() {
    let body = || ScriptedBody::new([Step::Data("a"), trailers(&["x-sum", "x-other", "content-length"])]);
    let announced = || request("POST", &[("trailer", "X-Sum, content-length")], body());
    let sent = after_line(announced).await;
    assert!(sent.ends_with("\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n"), "{sent}");
    let unannounced = after_line(|| request("POST", &[], body())).await;
    assert!(unannounced.ends_with("\r\n\r\n1\r\na\r\n0\r\n\r\n"), "{unannounced}");
}

// R35
#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_it_says_is_not_sent_as_whole() {
    for (length, steps) in [("2", vec![Step::Data("abc")]), ("4", vec![Step::Data("abc")])] {
        let (mut conn, far) = connected(1024);
        let head = send(&mut conn, request("POST", &[("content-length", length)], ScriptedBody::new(steps))).await;
        assert!(matches!(head, Err(Broke::Body(_))), "{length}: {head:?}");
        drop(far);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_gone_was_sent_nothing() {
    let (mut conn, far) = connected(1024);
    drop(far);
    assert!(conn.is_stale());
    let head = send(&mut conn, request("GET", &[], ScriptedBody::full(""))).await;
    assert!(matches!(head, Err(Broke::Unsent(_))), "{head:?}");
    // Also where the head waits for the first piece of its body.
    let (mut conn, far) = connected(1024);
    drop(far);
    let late = ScriptedBody::new([Step::Pause, Step::Data("abc")]);
    let head = send(&mut conn, request("POST", &[], late)).await;
    assert!(matches!(head, Err(Broke::Unsent(_))), "{head:?}");
    let (all, is_sent) = sent(request("GET", &[], ScriptedBody::full("")), 16).await;
    assert!(is_sent && all.starts_with("GET /a?b=c"), "{all}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_a_peer_is_sent_does_not_depend_on_its_pace(room in 1_usize..200, sizes in proptest::collection::vec(1_usize..80, 0..6)) {
        const DATA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let make = || {
            let steps = sizes.iter().flat_map(|size| [Step::Data(&DATA[..*size]), Step::Pause]);
            request("POST", &[], ScriptedBody::new(steps.collect::<Vec<_>>()))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (slow, fast) = runtime.block_on(async { (sent(make(), room).await.0, sent(make(), 64 * 1024).await.0) });
        prop_assert_eq!(slow, fast);
    }
}

/// Whoever reads the head alone, and leaves, does not see that the connection closes behind a body that nobody reads.
#[tokio::test]
async fn a_body_that_is_there_in_the_next_turn_goes_with_its_head() {
    let (mut conn, mut far) = connected(4096);
    let body = ScriptedBody::new([Step::Pause, Step::Data("abc")]);
    let first = async {
        let mut some = [0; 4096];
        let read = far.read(&mut some).await.unwrap();
        drop(far);
        String::from_utf8_lossy(&some[..read]).into_owned()
    };
    let (_, first) = tokio::join!(send(&mut conn, request("POST", &[("host", "a")], body)), first);
    assert!(first.starts_with("POST /a?b=c HTTP/1.1\r\n") && first.contains("\r\n\r\n3\r\nabc\r\n"), "{first:?}");
}

// R35
#[tokio::test]
async fn what_a_peer_says_before_it_was_asked_is_nobodys_answer() {
    use tokio::io::AsyncWriteExt;
    let (mut conn, mut far) = connected(4096);
    far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let body = ScriptedBody::new([Step::Pause, Step::Data("abc")]);
    let head = send(&mut conn, request("POST", &[("host", "a")], body)).await;
    assert!(matches!(head, Err(Broke::Unsent(_))), "{head:?}");
}

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::attempt::replay::Source;
use deadline_testkit::{BodyProbe, Step, Yielded, assert_body_keeps_contract, assert_body_passes};
use http::HeaderMap;
use http_body::Body;

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))])
}

fn source(steps: impl IntoIterator<Item = Step>, most: usize) -> (Source<ScriptedBody>, BodyProbe) {
    let body = ScriptedBody::new(steps);
    let probe = body.probe();
    (Source::new(body, most), probe)
}

/// Polls so often.
fn poll(body: &mut Replay<ScriptedBody>, times: usize) -> Vec<Yielded> {
    let mut cx = Context::from_waker(Waker::noop());
    let frames = (0..times).filter_map(|_| match pin!(&mut *body).poll_frame(&mut cx) {
        Poll::Pending => Some(Yielded::Pending),
        Poll::Ready(None) => None,
        Poll::Ready(Some(Err(_))) => Some(Yielded::Error),
        Poll::Ready(Some(Ok(frame))) => Some(match frame.into_data() {
            Ok(data) => Yielded::Data(data),
            Err(frame) => Yielded::Trailers(frame.into_trailers().unwrap()),
        }),
    });
    frames.collect()
}

fn data(text: &'static str) -> Yielded {
    Yielded::Data(text.into())
}

// R14
#[test]
fn every_attempt_passes_the_body_exactly() {
    assert_body_passes(Replay::Once);
    for most in [0, 1 << 20] {
        // One that has ended is known to have nothing, whatever it tells of its size.
        assert_body_passes(|inner| match inner.is_end_stream() {
            true => Replay::Once(inner),
            false => Source::new(inner, most).body(),
        });
    }
    let read = |inner, at_first| {
        let source = Source::new(inner, 1 << 20);
        poll(&mut source.body(), at_first);
        source.is_whole().then(|| source.body())
    };
    for at_first in 0..6 {
        let steps = || [Step::Data("one"), Step::Pause, Step::Data("two"), Step::Trailers(trailers())];
        for body in [ScriptedBody::new(steps()), ScriptedBody::new(steps()).telling_size().telling_end()] {
            let yielded = assert_body_keeps_contract(read(body, at_first).unwrap());
            let whole: Vec<_> = yielded.into_iter().filter(|yielded| *yielded != Yielded::Pending).collect();
            assert_eq!(whole, [data("one"), data("two"), Yielded::Trailers(trailers())], "after {at_first}");
        }
    }
}

#[test]
fn a_length_that_was_told_is_told_again_and_no_other() {
    for (body, exact) in [(ScriptedBody::full("body"), Some(4)), (ScriptedBody::new([Step::Data("body")]), None)] {
        let source = Source::new(body, 100);
        for polls in [0, 1, 2] {
            let mut body = source.body();
            assert_eq!(body.size_hint().exact(), exact, "after {polls}");
            poll(&mut body, polls);
        }
    }
}

#[test]
fn what_is_not_kept_is_not_sent_again_and_is_sent_the_first_time() {
    for (most, is_whole) in [(0, false), (7, false), (8, true)] {
        let (source, _) = source([Step::Data("half"), Step::Data("half")], most);
        assert!(source.is_whole(), "nothing of it was read yet");
        assert_eq!(poll(&mut source.body(), 3), [data("half"), data("half")]);
        assert_eq!(source.is_whole(), is_whole, "{most}");
    }
    let (source, _) = source((0..400).map(|_| Step::Data("x")), 4096);
    poll(&mut source.body(), 401);
    assert!(!source.is_whole(), "pieces cost memory too");
}

/// Each read of a connection gets a buffer of its own while somebody holds the last one.
#[tokio::test]
async fn a_byte_that_is_kept_does_not_keep_the_buffer_that_it_came_in() {
    let buffer = Bytes::from(vec![b'x'; 8192]);
    let source = Source::new(Full::new(buffer.slice(7..8)), 100);
    assert_eq!(source.body().collect().await.unwrap().to_bytes(), "x");
    assert!(source.is_whole());
    assert!(buffer.is_unique());
    assert_eq!(source.body().collect().await.unwrap().to_bytes(), "x");
}

#[test]
fn a_body_that_breaks_off_is_not_sent_again() {
    let (source, _) = source([Step::Data("half"), Step::Error], 100);
    let mut body = source.body();
    assert_eq!(poll(&mut body, 1), [data("half")]);
    assert!(source.is_whole());
    assert_eq!(poll(&mut body, 2), [Yielded::Error]);
    assert!(!source.is_whole());
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn whoever_sent_it_before_is_woken_and_fails() {
    let (source, _) = source([Step::Data("a"), Step::Wait, Step::Data("b")], 100);
    let mut old = source.body();
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    assert!(pin!(&mut old).poll_frame(&mut cx).is_ready());
    assert!(pin!(&mut old).poll_frame(&mut cx).is_pending());
    let mut new = source.body();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    // Not its end, which would make a part of a body look like a whole one.
    assert!(!old.is_end_stream());
    assert_eq!(poll(&mut old, 3), [Yielded::Error]);
    assert_eq!(poll(&mut new, 3), [data("a"), data("b")]);
}

#[test]
fn a_body_is_sent_as_it_comes() {
    let (source, probe) = source([Step::Data("a"), Step::Wait, Step::Data("b")], 100);
    let mut body = source.body();
    assert_eq!((poll(&mut body, 1), probe.polls()), (vec![data("a")], 1));
    assert_eq!((poll(&mut body, 1), probe.polls()), (vec![Yielded::Pending], 2));
}

#[test]
fn what_was_kept_goes_once_no_other_attempt_follows() {
    let (source, _) = source([Step::Data("one"), Step::Data("two"), Step::Data("three")], 100);
    poll(&mut source.body(), 2);
    let mut body = source.body();
    source.settle();
    assert!(!source.is_whole());
    assert_eq!(poll(&mut body, 1), [data("one")]);
    assert_eq!(poll(&mut body, 3), [data("two"), data("three")], "what is not sent yet stays until it is");
}

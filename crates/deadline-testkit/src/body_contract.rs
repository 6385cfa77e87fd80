//! The contract of a body, as checks that any body can be held to.
//!
//! Covers what a body tells about itself (size hint, end) against what it then yields, what comes after its end
//! and after its error, and, for a body around another one, that every frame passes exactly (R14). Does not cover
//! the clock: a body that is stopped at a deadline is held to the first part, by what it did until then.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, SizeHint};

use crate::{ScriptedBody, Step};

/// More polls than any body in a test needs.
const MOST_POLLS: usize = 1_000;

/// What a body yielded, poll by poll.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Yielded {
    /// Nothing yet.
    Pending,
    /// Data.
    Data(Bytes),
    /// Trailers.
    Trailers(HeaderMap),
    /// An error.
    Error,
}

/// Reads a body to its end, by hand, and holds it to the contract of `Body` on the way: its size hint is never
/// wrong and never grows, nothing follows where it tells its end, and after its error it is at its end.
///
/// Returns what it yielded. A poll that is pending is followed by the next one, whoever was woken.
///
/// ```
/// use deadline_testkit::{ScriptedBody, Step, Yielded, assert_body_keeps_contract};
///
/// let body = ScriptedBody::new([Step::Data("orders"), Step::Error]).telling_end();
/// let yielded = assert_body_keeps_contract(body);
/// assert_eq!(yielded, [Yielded::Data("orders".into()), Yielded::Error]);
/// ```
///
/// # Panics
///
/// Where the body breaks the contract.
#[track_caller]
pub fn assert_body_keeps_contract<B: Body>(body: B) -> Vec<Yielded> {
    let mut body = Box::pin(body);
    let (yielded, told) = play(body.as_mut());
    assert!(told.len() <= MOST_POLLS, "no end after {MOST_POLLS} polls: {yielded:?}");
    for pair in told.windows(2) {
        assert!(!grows(&pair[0].hint, &pair[1].hint), "the size hint grew: {told:?}");
    }
    for (at, told) in told.iter().enumerate() {
        told.assert_true(&yielded[at..]);
    }
    for _ in 0..2 {
        let again = poll(body.as_mut());
        assert!(matches!(again, Poll::Ready(None)), "after its end or error: {again:?}");
    }
    yielded
}

/// Holds a body around another one to all of [`assert_body_keeps_contract`], and to passing every frame, size
/// hint and end exactly as the inner one has them. At the end the inner body is dropped, though the outer one is
/// still held, and it was not polled after it.
///
/// `through` is called with a thousand scripts, twice each: every one of up to three frames or pauses, with trailers,
/// an error or nothing behind them, telling its size and its end or not.
///
/// ```
/// use deadline_testkit::assert_body_passes;
/// use http_body::Body;
///
/// struct Through<B>(Option<std::pin::Pin<Box<B>>>);
///
/// impl<B: Body> Body for Through<B> {
///     type Data = B::Data;
///     type Error = B::Error;
///
///     fn poll_frame(
///         mut self: std::pin::Pin<&mut Self>,
///         cx: &mut std::task::Context<'_>,
///     ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
///         let Some(inner) = &mut self.0 else { return std::task::Poll::Ready(None) };
///         let frame = inner.as_mut().poll_frame(cx);
///         if matches!(frame, std::task::Poll::Ready(None | Some(Err(_)))) {
///             self.0 = None;
///         }
///         frame
///     }
///
///     fn is_end_stream(&self) -> bool {
///         self.0.as_ref().is_none_or(|inner| inner.is_end_stream())
///     }
///
///     fn size_hint(&self) -> http_body::SizeHint {
///         self.0.as_ref().map_or(http_body::SizeHint::with_exact(0), |inner| inner.size_hint())
///     }
/// }
///
/// assert_body_passes(|inner| Through(Some(Box::pin(inner))));
/// ```
///
/// # Panics
///
/// Where the body breaks the contract, or passes something on otherwise.
#[track_caller]
pub fn assert_body_passes<B: Body>(mut through: impl FnMut(ScriptedBody) -> B) {
    for script in scripts() {
        let (model, inner) = (script.body(), script.body());
        let probe = inner.probe();
        let mut body = Box::pin(through(inner));
        let (expected, seen) = (play(Box::pin(model).as_mut()), play(body.as_mut()));
        assert_eq!(seen, expected, "left: through the layer, right: bare; {script:?}");
        assert!(probe.is_dropped(), "the inner body is kept after its end: {script:?}");
        let rest = [poll(body.as_mut()), poll(body.as_mut())];
        assert!(rest.iter().all(|rest| matches!(rest, Poll::Ready(None))), "after the end {rest:?}: {script:?}");
        assert_eq!(probe.polled_after_end(), 0, "the inner body was polled after its end: {script:?}");
        assert_body_keeps_contract(through(script.body()));
    }
}

/// What a body told before a poll.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    hint: (u64, Option<u64>),
    is_end: bool,
}

impl Told {
    fn by<B: Body>(body: &B) -> Self {
        let hint: SizeHint = body.size_hint();
        Self { hint: (hint.lower(), hint.upper()), is_end: body.is_end_stream() }
    }

    /// Whether it was true of what followed. Of a body that fails nobody knows how long it would have been.
    #[track_caller]
    fn assert_true(&self, followed: &[Yielded]) {
        let data = followed.iter().map(|yielded| if let Yielded::Data(data) = yielded { data.len() as u64 } else { 0 });
        let (actual, fails) = (data.sum::<u64>(), followed.contains(&Yielded::Error));
        let (lower, upper) = self.hint;
        assert!(lower <= actual || fails, "at least {lower} bytes were told, and {actual} came");
        assert!(upper.is_none_or(|upper| actual <= upper), "at most {upper:?} bytes were told, and {actual} came");
        let silent = followed.iter().all(|yielded| *yielded == Yielded::Pending);
        assert!(!self.is_end || silent, "it told its end, and then came {followed:?}");
    }
}

/// Whether there is room for more than there was.
fn grows(before: &(u64, Option<u64>), after: &(u64, Option<u64>)) -> bool {
    match (before.1, after.1) {
        (Some(before), Some(after)) => after > before,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// What was yielded to the end or the error, and what was told before each poll.
fn play<B: Body>(mut body: Pin<&mut B>) -> (Vec<Yielded>, Vec<Told>) {
    let (mut yielded, mut told) = (Vec::new(), vec![Told::by(&*body)]);
    while let Some(next) = next(body.as_mut()).filter(|_| yielded.len() < MOST_POLLS) {
        yielded.push(next);
        if yielded.last() == Some(&Yielded::Error) {
            break;
        }
        told.push(Told::by(&*body));
    }
    (yielded, told)
}

fn next<B: Body>(body: Pin<&mut B>) -> Option<Yielded> {
    match poll(body) {
        Poll::Pending => Some(Yielded::Pending),
        Poll::Ready(yielded) => yielded,
    }
}

fn poll<B: Body>(body: Pin<&mut B>) -> Poll<Option<Yielded>> {
    body.poll_frame(&mut Context::from_waker(Waker::noop())).map(|frame| {
        Some(match frame? {
            Err(_) => Yielded::Error,
            Ok(frame) => match frame.into_data() {
                Ok(mut data) => Yielded::Data(data.copy_to_bytes(data.remaining())),
                Err(frame) => Yielded::Trailers(frame.into_trailers().unwrap_or_default()),
            },
        })
    })
}

#[derive(Clone, Debug)]
struct Script {
    steps: Vec<Step>,
    tells_size: bool,
    tells_end: bool,
}

impl Script {
    fn body(&self) -> ScriptedBody {
        let body = ScriptedBody::new(self.steps.clone());
        let body = if self.tells_size { body.telling_size() } else { body };
        if self.tells_end { body.telling_end() } else { body }
    }
}

/// Every script of up to three frames or pauses, and what can end it.
fn scripts() -> impl Iterator<Item = Script> {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("1"))]);
    let last = [Step::Trailers(trailers), Step::Error];
    let within = [Step::Data("a"), Step::Data("bc"), Step::Data(""), Step::Wait];
    let mut scripts = vec![Vec::new()];
    let mut longest: Vec<Vec<Step>> = scripts.clone();
    for _ in 0..3 {
        let longer = |script: &Vec<Step>| within.clone().map(|step| [script.as_slice(), &[step]].concat());
        longest = longest.iter().flat_map(longer).collect();
        scripts.extend_from_slice(&longest);
    }
    let ended = scripts
        .clone()
        .into_iter()
        .flat_map(move |script| last.clone().map(|step| [script.as_slice(), &[step]].concat()));
    let telling = [(false, false), (false, true), (true, false), (true, true)];
    scripts.extend(ended.collect::<Vec<_>>());
    scripts.into_iter().flat_map(move |steps| {
        telling.map(|(tells_size, tells_end)| Script { steps: steps.clone(), tells_size, tells_end })
    })
}

#[cfg(test)]
mod tests;

//! The body of a request that may be sent more than once.
//!
//! Covers what is kept of it, up to so many bytes, and who may read it. Nothing waits for it to be whole: a frame goes
//! on as it comes, and what is kept is a copy: a byte of the client's may hold the whole buffer that it was read into.
//! What is larger is sent once, as it comes, and kept no more. Does not decide whether it is sent again.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tower_deadline::BoxError;

/// How many pieces are kept, beside one for each so many bytes: what keeps a piece costs memory too.
const PIECES: usize = 64;
const BYTES_A_PIECE: usize = 256;

/// The body of a request, as one attempt sends it. Frames, trailers, size hint and end are those of the client's body
/// (R14).
#[derive(Debug)]
pub(crate) enum Replay<B> {
    /// It is sent once.
    Once(B),
    /// There is none, or it has ended.
    Empty,
    /// It may be sent again.
    Part(Part<B>),
}

/// One attempt's hold on a body.
#[derive(Debug)]
pub(crate) struct Part<B> {
    shared: Arc<Mutex<Shared<B>>>,
    attempt: u32,
    /// How many pieces were yielded.
    at: usize,
    /// Whether the trailers were.
    has_trailed: bool,
    is_done: bool,
}

/// Where the body of each attempt comes from.
#[derive(Debug)]
pub(super) enum Source<B> {
    /// It was sent, or is not there: nothing of it is left.
    Empty,
    Shared(Arc<Mutex<Shared<B>>>),
}

/// What the attempts of one request share: the client's body, and what was kept of it.
#[derive(Debug)]
pub(crate) struct Shared<B> {
    /// `None` once it has ended or failed.
    inner: Option<B>,
    pieces: Vec<Bytes>,
    size: usize,
    trailers: Option<HeaderMap>,
    /// The most that is kept.
    most: usize,
    /// Whether all that was read is kept, and nothing has failed.
    is_whole: bool,
    is_sized: bool,
    /// Which attempt may read; the others are over.
    attempt: u32,
    waker: Option<Waker>,
}

/// The attempt is over, and another one reads.
#[derive(Debug)]
struct Superseded;

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was sent anew")
    }
}

impl std::error::Error for Superseded {}

impl<B: Body> Source<B> {
    /// Keeps up to so many bytes of it. A body without frames costs nothing.
    pub(super) fn new(inner: B, most: usize) -> Self {
        if inner.is_end_stream() {
            return Self::Empty;
        }
        let is_sized = inner.size_hint().exact().is_some();
        let shared = Shared {
            inner: Some(inner),
            pieces: Vec::new(),
            size: 0,
            trailers: None,
            most,
            is_whole: true,
            is_sized,
            attempt: 0,
            waker: None,
        };
        Self::Shared(Arc::new(Mutex::new(shared)))
    }

    /// The body from its beginning, for the next attempt. Whoever still sends an earlier one fails.
    pub(super) fn body(&self) -> Replay<B> {
        let Self::Shared(shared) = self else { return Replay::Empty };
        let mut state = lock(shared);
        state.attempt += 1;
        let waker = state.waker.take();
        let part =
            Part { shared: Arc::clone(shared), attempt: state.attempt, at: 0, has_trailed: false, is_done: false };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Replay::Part(part)
    }

    /// Whether the body can be had from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Shared(shared) => lock(shared).is_whole,
        }
    }

    /// There is no further attempt: what is kept goes as soon as it was sent.
    pub(super) fn settle(&self) {
        if let Self::Shared(shared) = self {
            lock(shared).is_whole = false;
        }
    }
}

fn lock<B>(shared: &Mutex<Shared<B>>) -> MutexGuard<'_, Shared<B>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Shared<B> {
    fn keep(&mut self, data: &Bytes) {
        self.size = self.size.saturating_add(data.len());
        self.is_whole &= self.size <= self.most && self.pieces.len() < PIECES + self.most / BYTES_A_PIECE;
        if self.is_whole {
            self.pieces.push(Bytes::copy_from_slice(data));
        }
    }

    /// Lets go of what was sent, where it is of no use for another attempt. Returns where whoever is at `at` is then.
    fn let_go(&mut self, at: usize) -> usize {
        if self.is_whole || at < self.pieces.len() {
            return at;
        }
        self.pieces = Vec::new();
        0
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Shared<B> {
    /// The next frame of the client.
    fn poll_inner(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) else {
            if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                self.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) => self.keep(data),
                (_, Some(trailers)) if self.is_whole => self.trailers = Some(trailers.clone()),
                _ => {}
            },
            end => {
                // What breaks off is not to be had again.
                self.is_whole &= end.is_none();
                self.inner = None;
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Part<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let mut state = lock(&self.shared);
        if state.attempt != self.attempt {
            self.is_done = true;
            return Poll::Ready(Some(Err(Superseded.into())));
        }
        if let Some(piece) = state.pieces.get(self.at).cloned() {
            self.at = state.let_go(self.at + 1);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(trailers) = state.trailers.clone().filter(|_| !self.has_trailed) {
            self.has_trailed = true;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(state.poll_inner(cx));
        let kept = state.pieces.len();
        self.at = state.let_go(kept);
        self.has_trailed |= matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
        self.is_done = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }
}

impl<B> Part<B> {
    /// Bytes that were kept, and are yet to be sent.
    fn kept(&self, state: &Shared<B>) -> u64 {
        state.pieces.iter().skip(self.at).map(|piece| piece.len() as u64).sum()
    }
}

impl<B: Body> Part<B> {
    fn is_end_stream(&self) -> bool {
        let state = lock(&self.shared);
        let is_read = self.at == state.pieces.len() && (self.has_trailed || state.trailers.is_none());
        self.is_done || state.attempt == self.attempt && is_read && state.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = lock(&self.shared);
        if self.is_done || state.attempt != self.attempt {
            return SizeHint::with_exact(0);
        }
        let kept = self.kept(&state);
        let inner = state.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(kept));
        // A body of unknown length has trailers, maybe, for which it is sent in chunks each time.
        if let Some(upper) = inner.upper().filter(|_| state.is_sized || self.attempt == 1) {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}

impl<B> Body for Replay<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Once(inner) => {
                let frame = ready!(Pin::new(inner).poll_frame(cx));
                if !matches!(frame, Some(Ok(_))) {
                    *self = Self::Empty;
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Empty => Poll::Ready(None),
            Self::Part(part) => part.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Once(inner) => inner.is_end_stream(),
            Self::Empty => true,
            Self::Part(part) => part.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Once(inner) => inner.size_hint(),
            Self::Empty => SizeHint::with_exact(0),
            Self::Part(part) => part.size_hint(),
        }
    }
}

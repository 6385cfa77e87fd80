//! The body of an answer on its passage, and who may take it from outside.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body, Frame, SizeHint};
use tower_deadline::enforce::Status;
use tower_deadline::{AnswerBody, BodyError, Stage, StageGuard};

use crate::limits;
use crate::proxy::lookout::{Lookout, Place, Seen};
use crate::proxy::stall::Stalled;
use crate::proxy::stop::Stoppable;
use crate::proxy::trailers::sift;

/// A request that is under way, which can be stopped and whose answer can be let go of from outside; from its head on the
/// body of its answer. To drop it is to end it.
///
/// The body is passed on exactly (R14), but for trailers that may not pass, until everything is stopped.
pub(in crate::proxy) struct PassageBody<B: Send + 'static> {
    shared: Arc<Shared<B>>,
    /// All of it was handed on. Only whoever reads it comes so far, and is not asked for the lock again.
    is_over: bool,
}

struct Shared<B> {
    lookout: Lookout,
    stoppable: Stoppable,
    stalled: Option<Stalled>,
    state: Mutex<State<B>>,
}

struct State<B> {
    /// Who polls it, while that waits.
    waker: Option<Waker>,
    place: Option<Place>,
    kept: Kept<B>,
}

/// What there is of an answer.
enum Kept<B> {
    /// Nothing yet.
    Asked,
    Whole(Answer<B>),
    /// The stage that was open stays so: whoever owns the request tells of it, now or later.
    LetGo {
        _open: Option<StageGuard>,
    },
    Ended,
}

/// What a body goes on with behind its head.
pub(super) struct Answer<B> {
    pub(super) body: AnswerBody<B>,
    /// How it tells that it was stopped.
    pub(super) status: Status,
    /// What concerns the connection on the word of the head.
    pub(super) named: Vec<HeaderName>,
    /// Among those of its route.
    pub(super) _room: Option<limits::Place>,
}

impl<B> Kept<B> {
    fn whole(&self) -> Option<&AnswerBody<B>> {
        match self {
            Self::Whole(answer) => Some(&answer.body),
            Self::Asked | Self::LetGo { .. } | Self::Ended => None,
        }
    }
}

impl<B: Send + 'static> PassageBody<B> {
    /// A request that nobody has answered yet.
    pub(super) fn asked(lookout: &Lookout, stoppable: Stoppable, stalled: Option<Stalled>) -> Self {
        let state = State { waker: None, place: None, kept: Kept::Asked };
        let shared = Shared { lookout: lookout.clone(), stoppable, stalled, state: Mutex::new(state) };
        Self { shared: Arc::new(shared), is_over: false }
    }

    pub(super) fn stoppable(&self) -> &Stoppable {
        &self.shared.stoppable
    }

    /// Ready once everything is stopped. To be asked where the answer is not there.
    pub(super) fn poll_stopped(&self, cx: &Context<'_>) -> Poll<()> {
        let shared = &self.shared;
        shared.wait(&mut shared.state(), cx);
        if shared.lookout.has_begun() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The answer is there.
    #[inline(always)]
    pub(super) fn answered(&self, answer: Answer<B>)
    where
        B: Body<Data = Bytes>,
    {
        let is_open = !answer.body.is_end_stream();
        let mut state = self.shared.state();
        state.kept = Kept::Whole(answer);
        if is_open {
            self.shared.enter(&mut state);
        }
    }
}

impl<B: Send + 'static> Shared<B> {
    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is looked out for from here on.
    fn enter(self: &Arc<Self>, state: &mut State<B>) {
        if state.place.is_none() {
            let enforced = self.stoppable.journey.as_ref().and_then(|journey| Some(journey.enforced()?.1));
            let seen = Arc::<Self>::clone(self);
            state.place = Some(self.lookout.enter(enforced.map(|deadline| deadline.instant()), seen));
        }
    }

    /// The task of `cx` is woken when everything is stopped.
    fn wait(self: &Arc<Self>, state: &mut State<B>, cx: &Context<'_>) {
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.waker = Some(cx.waker().clone()),
        }
        self.enter(state);
    }
}

impl<B: Send + 'static> Seen for Shared<B> {
    /// Does nothing where the deadline has ceased to count (R18), and before the head, where it is told in time.
    fn due(self: Arc<Self>) {
        let mut state = self.state();
        state.place = None;
        // Who has it no more cannot strike it out again.
        if matches!(state.kept, Kept::Ended) {
            return;
        }
        let Some(journey) = self.stoppable.journey.as_ref().filter(|journey| !journey.is_released()) else {
            // All that there is to come is the end of the process.
            state.place = Some(self.lookout.enter(None, Arc::<Self>::clone(&self)));
            return;
        };
        if state.kept.whole().is_none() || journey.is_ended() {
            return;
        }
        let stage = Some(journey.stage()).filter(|stage| *stage != Stage::Handler);
        let let_go = Kept::LetGo { _open: stage.map(|stage| journey.enter(stage)) };
        let kept = std::mem::replace(&mut state.kept, let_go);
        drop(state);
        // Dropped without the lock.
        drop(kept);
        // A window that stays shut is no write that stalls: nothing but this ends the stream.
        if let Some(stalled) = &self.stalled {
            tokio::spawn(stalled.clone().hang_up_after(journey.clone()));
        }
    }

    fn stopped(&self) {
        let waker = self.state().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<B> Body for PassageBody<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { shared, is_over } = &mut *self;
        let mut state = shared.state();
        let Kept::Whole(answer) = &mut state.kept else {
            // Let go of at the deadline, which the enforcing body outside sees first: it does not poll again.
            return if matches!(state.kept, Kept::Ended) { Poll::Ready(None) } else { Poll::Pending };
        };
        match Pin::new(&mut answer.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                frame.trailers_mut().into_iter().for_each(|trailers| sift(trailers, &answer.named));
                // The last one is all that there was to come, and one that never ends is always ready.
                *is_over = answer.body.is_end_stream();
                let is_last = frame.is_trailers() || *is_over;
                if is_last || !shared.lookout.has_begun() {
                    frame.data_ref().into_iter().for_each(|data| answer.status.pass(data));
                    return Poll::Ready(Some(Ok(frame)));
                }
            }
            Poll::Ready(ended) => {
                state.kept = Kept::Ended;
                return Poll::Ready(ended);
            }
            Poll::Pending => {
                shared.wait(&mut state, cx);
                ready!(if shared.lookout.has_begun() { Poll::Ready(()) } else { Poll::Pending });
            }
        }
        let exceeded = shared.stoppable.stop(Stage::ResponseBody);
        match std::mem::replace(&mut state.kept, Kept::Ended) {
            Kept::Whole(answer) => Poll::Ready(answer.status.tell(exceeded)),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.is_over {
            return true;
        }
        let state = self.shared.state();
        matches!(state.kept, Kept::Ended) || state.kept.whole().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.state();
        match &state.kept {
            Kept::Whole(answer) => answer.body.size_hint(),
            Kept::Ended => SizeHint::with_exact(0),
            Kept::Asked | Kept::LetGo { .. } => SizeHint::default(),
        }
    }
}

impl<B: Send + 'static> Drop for PassageBody<B> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // Where it stands, and not moved first: nothing of it looks here.
        state.kept = Kept::Ended;
        let place = state.place.take();
        drop(state);
        place.into_iter().for_each(|place| self.shared.lookout.leave(place));
    }
}

impl<B: Send> fmt::Debug for PassageBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PassageBody").field(&self.shared.stoppable).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::Shutdown;
    use http::Extensions;

    /// Another thread can drop it just as it becomes due.
    #[tokio::test]
    async fn who_is_dropped_as_it_becomes_due_is_not_looked_out_for_again() {
        let lookout = Lookout::new(Shutdown::new());
        let body = PassageBody::<()>::asked(&lookout, Stoppable::new(&Extensions::new(), None), None);
        let seen = Arc::clone(&body.shared);
        drop(body);
        seen.due();
        assert!(format!("{lookout:?}").contains("seen: 0"), "{lookout:?}");
    }
}

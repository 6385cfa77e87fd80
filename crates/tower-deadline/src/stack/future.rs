//! From the call to the response head, on the paved path.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower_service::Service;

use super::DeadlineBody;
use crate::account::Open;
use crate::enforce::EnforceFuture;
use crate::rescue::{Look, Rescuer, Typed};
use crate::{AnswerBody, BoxError, WatchedBody};

/// The response of a [`DeadlineService`](crate::DeadlineService). Dropping it drops the inner future, and ends what was
/// spawned within the request.
#[pin_project]
pub struct DeadlineFuture<S, RB, K = Typed>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    #[pin]
    state: State<EnforceFuture<S, RB>, K>,
}

#[pin_project(project = Projection)]
enum State<F, K> {
    Admitted {
        #[pin]
        enforced: F,
        rescuer: Rescuer<K>,
        open: Option<Open>,
    },
    /// The answer; `None` once it was given. Boxed: it is the rare one.
    Refused(Option<Box<Response<Bytes>>>),
}

impl<S, RB, K> DeadlineFuture<S, RB, K>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    #[inline(always)]
    pub(super) fn admitted(enforced: EnforceFuture<S, RB>, rescuer: Rescuer<K>, open: Option<Open>) -> Self {
        Self { state: State::Admitted { enforced, rescuer, open } }
    }

    pub(super) fn refused(answer: Response<Bytes>) -> Self {
        Self { state: State::Refused(Some(Box::new(answer))) }
    }
}

impl<S, RB, K, B> Future for DeadlineFuture<S, RB, K>
where
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>>,
    K: Look<S::Error>,
    B: Body,
    B::Error: Into<BoxError>,
    B::Data: From<Bytes>,
{
    type Output = Result<Response<DeadlineBody<B>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projection::Admitted { enforced, rescuer, open } => {
                // Looked at where it stands: it is not moved on its way out.
                let mut polled = enforced.poll_as(cx, K::find, AnswerBody::Inner);
                if let Poll::Ready(outcome) = &mut polled {
                    rescuer.rescue(outcome);
                    if let (Some(open), Ok(response)) = (open.take(), outcome) {
                        open.extra().answered(response);
                    }
                }
                polled
            }
            Projection::Refused(answer) => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map(AnswerBody::from))),
                None => Poll::Pending,
            },
        }
    }
}

impl<S, RB, K> fmt::Debug for DeadlineFuture<S, RB, K>
where
    S: Service<Request<WatchedBody<RB>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").finish_non_exhaustive()
    }
}

//! The service of the paved path: one, with the decisions of the three parts.

use std::fmt;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::DeadlineFuture;
use crate::account::Came;
use crate::enforce::{Custody, EnforceFuture, Placed};
use crate::policies::{Choose, Head, OnePolicy};
use crate::rescue::{Look, Rescuer, Typed};
use crate::{AdmitLayer, AnswerBody, BoxError, EnforcedBody, WatchedBody, now};

/// What [`DeadlineLayer`](crate::DeadlineLayer) makes of a service: [`Admit`](crate::Admit) around
/// [`Rescue`](crate::Rescue) around [`Enforce`](crate::Enforce), without what each of them has to look up again behind
/// the one before.
pub struct DeadlineService<S, K = Typed, C = OnePolicy> {
    inner: Placed<S>,
    admit: AdmitLayer<C>,
    kind: PhantomData<fn() -> K>,
}

/// The response body of a [`DeadlineService`].
pub type DeadlineBody<B> = AnswerBody<EnforcedBody<B>>;

impl<S, K, C> DeadlineService<S, K, C> {
    pub(super) fn new(inner: S, admit: AdmitLayer<C>) -> Self {
        Self { inner: Placed::new(inner), admit, kind: PhantomData }
    }
}

impl<S: Clone, K, C: Clone> Clone for DeadlineService<S, K, C> {
    /// A clone has no place in the queue.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), admit: self.admit.clone(), kind: PhantomData }
    }
}

impl<S, K, C, RB, B> Service<Request<RB>> for DeadlineService<S, K, C>
where
    C: Choose,
    S: Service<Request<WatchedBody<RB>>, Response = Response<B>> + Clone,
    K: Look<S::Error>,
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<DeadlineBody<B>>;
    type Error = S::Error;
    type Future = DeadlineFuture<S, RB, K>;

    /// Ready unless the inner service failed, as [`Enforce`](crate::Enforce) is (R20).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let now = now();
        let policy = self.admit.choice().choose(&request);
        let (accounts, answers) = (self.admit.accounts(), self.admit.used_answers());
        let came = Came { policy: &policy, answers, at: now, head: Head::of(&request) };
        let found = match self.admit.admit(&policy, &request, now) {
            Ok(found) => found,
            Err(refusal) => {
                let mut answer = self.admit.refuse(&policy, &request, &refusal);
                accounts.refused(&came, &refusal, &mut answer);
                return DeadlineFuture::refused(answer);
            }
        };
        let account = accounts.open(&came, found.deadline);
        let open = account.open();
        open.iter().for_each(|open| open.extra().queued(found.queued));
        let custody = Custody::admitted(request.extensions_mut(), &policy, &found, account);
        let rescuer = Rescuer::new(found.call, Some(&policy), self.admit.used_answers());
        // What was let in a moment ago needs no second look at the clock.
        let late = custody.expired_at(now).is_some();
        DeadlineFuture::admitted(EnforceFuture::new(self.inner.take(), request, custody, late), rescuer, open)
    }
}

impl<S: fmt::Debug, K, C: fmt::Debug> fmt::Debug for DeadlineService<S, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, admit, .. } = self;
        f.debug_struct("DeadlineService").field("inner", inner).field("admit", admit).finish()
    }
}

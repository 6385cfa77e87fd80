//! The service of the paved path: one, with the decisions of the three parts.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::admit::AdmitFuture;
use crate::enforce::{Custody, EnforceFuture};
use crate::policies::{Choose, OnePolicy};
use crate::rescue::{Look, RescueFuture, Typed, answered};
use crate::{AdmitLayer, AnswerBody, BoxError, EnforcedBody, WatchedBody};

/// What [`DeadlineLayer`](crate::DeadlineLayer) makes of a service: [`Admit`](crate::Admit) around
/// [`Rescue`](crate::Rescue) around [`Enforce`](crate::Enforce), without what each of them has to look up again behind
/// the one before.
pub struct DeadlineService<S, K = Typed, C = OnePolicy> {
    inner: S,
    ready: bool,
    admit: AdmitLayer<C>,
    kind: PhantomData<fn() -> K>,
}

/// The response of a [`DeadlineService`].
pub type DeadlineFuture<S, RB, B, K = Typed> = AdmitFuture<RescueFuture<EnforceFuture<S, RB>, K>, DeadlineBody<B>>;

/// The response body of a [`DeadlineService`].
pub type DeadlineBody<B> = AnswerBody<EnforcedBody<B>>;

impl<S, K, C> DeadlineService<S, K, C> {
    pub(super) fn new(inner: S, admit: AdmitLayer<C>) -> Self {
        Self { inner, ready: false, admit, kind: PhantomData }
    }
}

impl<S: Clone, K, C: Clone> Clone for DeadlineService<S, K, C> {
    /// A clone has no place in the queue, and is not ready because the original is.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.admit.clone())
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
    type Future = DeadlineFuture<S, RB, B, K>;

    /// Ready unless the inner service failed, as [`Enforce`](crate::Enforce) is (R20).
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.ready {
            match self.inner.poll_ready(cx) {
                Poll::Ready(Ok(())) => self.ready = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, mut request: Request<RB>) -> Self::Future {
        let policy = self.admit.choice().choose(&request);
        let found = match self.admit.admit(policy, &request) {
            Ok(found) => found,
            Err(refusal) => {
                let answer = self.admit.refuse(policy, &request, &refusal);
                return AdmitFuture::Refused(Some(answer.map(AnswerBody::from)));
            }
        };
        let custody = Custody::admitted(request.extensions_mut(), policy, &found);
        let fresh = self.inner.clone();
        let polled = mem::replace(&mut self.inner, fresh);
        let ready = mem::take(&mut self.ready);
        let status = answered(policy);
        let enforced = EnforceFuture::new(polled, ready, request, custody);
        AdmitFuture::Admitted(RescueFuture::new(enforced, status, found.call, self.admit.used_answers()))
    }
}

impl<S: fmt::Debug, K, C: fmt::Debug> fmt::Debug for DeadlineService<S, K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, ready, admit, .. } = self;
        f.debug_struct("DeadlineService")
            .field("inner", inner)
            .field("ready", ready)
            .field("admit", admit)
            .finish()
    }
}

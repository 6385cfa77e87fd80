//! What a program can do with our types: send them, share them, clone them, move them while they are polled.
//!
//! Asserted while this is compiled. What a type deliberately cannot is asserted too: a future and a body stand for
//! one request and are not cloned; whatever is made of an inner part can cross threads, or be moved, if that can.

use crate::admit::AdmitFuture;
use crate::enforce::EnforceFuture;
use crate::hop_by_hop::HopByHopFuture;
use crate::propagate::PropagateFuture;
use crate::propagate::trace::{TracedConnector, TracedResolver, TracedTls, Written, WrittenBody, WrittenLayer};
use crate::rescue::{Boxed, RescueFuture, Typed};
use crate::scope::Scope;
use crate::*;
use deadline_testkit::{ScriptedBody, ScriptedError, ScriptedService, implements};
use http::{Request, Response};
use std::future::Ready;
use std::marker::PhantomPinned;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// Each type has the traits before the bar, and none of those behind it.
macro_rules! assert_traits {
    ($($type:ty: $($has:ident)* $(| $($has_not:ident)*)?;)*) => {$(
        $(const { assert!(implements!($type: $has), concat!(stringify!($type), " is not ", stringify!($has))) };)*
        $($(const { assert!(!implements!($type: $has_not), concat!(stringify!($type), " is ", stringify!($has_not))) };)*)?
        is_static::<$type>();
    )*};
}

fn is_static<T: 'static>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;
type Answer = Ready<Outcome>;
type Inner = ScriptedService<fn(Request<WatchedBody<ScriptedBody>>) -> Answer>;

/// An inner part that can neither cross threads nor be moved.
struct Bound(#[expect(dead_code, reason = "for its traits alone")] Rc<()>, PhantomPinned);

impl Future for Bound {
    type Output = Outcome;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Outcome> {
        std::task::Poll::Pending
    }
}

impl http_body::Body for Bound {
    type Data = bytes::Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

#[test]
fn layers_cross_threads_and_are_cloned() {
    assert_traits! {
        AdmitLayer: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        EnforceLayer: Send Sync Unpin Clone Copy UnwindSafe RefUnwindSafe;
        HopByHopLayer: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        PropagateLayer: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        RescueLayer<Typed>: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        RescueLayer<Boxed>: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        DeadlineLayer<Typed>: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        DeadlineLayer<Boxed>: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        Answers: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        UpgradePolicy: Send Sync Unpin Clone UnwindSafe RefUnwindSafe | Copy;
        WrittenLayer: Send Sync Unpin Clone Copy UnwindSafe RefUnwindSafe;
    }
}

#[test]
fn services_cross_threads_and_are_cloned_if_the_inner_one_is() {
    assert_traits! {
        Admit<Inner>: Send Sync Unpin Clone | Copy;
        Rescue<Inner>: Send Sync Unpin Clone | Copy;
        Enforce<Inner>: Send Sync Unpin Clone | Copy;
        DeadlineService<Inner>: Send Sync Unpin Clone | Copy;
        HopByHop<Inner>: Send Sync Unpin Clone | Copy;
        Propagate<Inner>: Send Sync Unpin Clone | Copy;
        Written<Inner>: Send Sync Unpin Clone | Copy;
        TracedConnector<Inner>: Send Sync Unpin Clone | Copy;
        TracedResolver<Inner>: Send Sync Unpin Clone | Copy;
        TracedTls<Inner>: Send Sync Unpin Clone | Copy;
        DeadlineService<Bound>: | Send Sync Unpin Clone;
        HopByHop<Bound>: | Send Sync Unpin Clone;
        Propagate<Bound>: | Send Sync Unpin Clone;
    }
}

#[test]
fn futures_cross_threads_and_are_not_cloned() {
    assert_traits! {
        AdmitFuture<Answer, ScriptedBody>: Send Sync Unpin | Clone;
        RescueFuture<Answer, Typed>: Send Sync Unpin | Clone;
        EnforceFuture<Inner, ScriptedBody>: Send Sync Unpin | Clone;
        HopByHopFuture<Answer>: Send Sync Unpin | Clone;
        PropagateFuture<Answer>: Send Sync Unpin | Clone;
        Scope<Answer>: Send Sync Unpin | Clone;
        AdmitFuture<Bound, ScriptedBody>: | Send Sync Unpin;
        RescueFuture<Bound, Typed>: | Send Sync Unpin;
        HopByHopFuture<Bound>: | Send Sync Unpin;
        PropagateFuture<Bound>: | Send Sync Unpin;
        Scope<Bound>: | Send Sync Unpin;
    }
}

#[test]
fn bodies_cross_threads_and_are_not_cloned() {
    assert_traits! {
        EnforcedBody<ScriptedBody>: Send Sync Unpin | Clone;
        WatchedBody<ScriptedBody>: Send Sync Unpin | Clone;
        WrittenBody<ScriptedBody>: Send Sync Unpin | Clone;
        AnswerBody<ScriptedBody>: Send Sync Unpin | Clone;
        DeadlineBody<ScriptedBody>: Send Sync Unpin | Clone;
        EnforcedBody<Bound>: | Send Sync Unpin;
        WatchedBody<Bound>: | Send Sync Unpin;
        DeadlineBody<Bound>: | Send Sync Unpin;
    }
}

/// The guard of an ambient deadline belongs to its thread.
#[test]
fn what_the_extensions_hold_is_cloned_and_a_guard_is_not_sent() {
    assert_traits! {
        Deadline: Send Sync Unpin Clone Copy UnwindSafe RefUnwindSafe;
        Journey: Send Sync Unpin Clone | Copy;
        Exceeded: Send Sync Unpin Clone | Copy;
        http_deadline::Entered: Unpin | Send Sync Clone;
        StageGuard: Send Sync Unpin | Clone;
        http_deadline::Ended: Send Sync Unpin | Clone;
    }
}

#[test]
fn errors_go_wherever_errors_go() {
    is_error::<BodyError>();
    is_error::<PropagateError>();
    is_error::<RequestEnded>();
    is_error::<Exceeded>();
}

//! What is made of parts that can cross threads can cross them too, and every layer can be cloned.

use crate::admit::AdmitFuture;
use crate::enforce::EnforceFuture;
use crate::hop_by_hop::HopByHopFuture;
use crate::propagate::PropagateFuture;
use crate::rescue::{Boxed, RescueFuture, Typed};
use crate::scope::Scope;
use crate::*;
use deadline_testkit::{ScriptedBody, ScriptedError, ScriptedService};
use http::{Request, Response};
use std::future::Ready;

fn is_send_and_sync<T: Send + Sync>() {}
fn is_clone<T: Clone>() {}
fn is_error<T: std::error::Error + Send + Sync + 'static>() {}

type Answer = Ready<Result<Response<ScriptedBody>, ScriptedError>>;
type Inner = ScriptedService<fn(Request<WatchedBody<ScriptedBody>>) -> Answer>;

#[test]
fn layers_cross_threads_and_are_cloned() {
    is_send_and_sync::<(AdmitLayer, EnforceLayer, HopByHopLayer, PropagateLayer)>();
    is_send_and_sync::<(RescueLayer<Typed>, RescueLayer<Boxed>, DeadlineLayer<Typed>, DeadlineLayer<Boxed>)>();
    is_clone::<(AdmitLayer, EnforceLayer, HopByHopLayer, PropagateLayer)>();
    is_clone::<(RescueLayer<Typed>, RescueLayer<Boxed>, DeadlineLayer<Typed>, DeadlineLayer<Boxed>)>();
}

#[test]
fn services_cross_threads_and_are_cloned() {
    is_send_and_sync::<(DeadlineService<Inner>, HopByHop<Inner>, Propagate<Inner>, Enforce<Inner>)>();
    is_clone::<(DeadlineService<Inner>, HopByHop<Inner>, Propagate<Inner>, Enforce<Inner>)>();
}

#[test]
fn futures_cross_threads() {
    is_send_and_sync::<EnforceFuture<Inner, ScriptedBody>>();
    is_send_and_sync::<(AdmitFuture<Answer, ScriptedBody>, RescueFuture<Answer, Typed>)>();
    is_send_and_sync::<(HopByHopFuture<Answer>, PropagateFuture<Answer>, Scope<Answer>)>();
}

#[test]
fn bodies_cross_threads() {
    is_send_and_sync::<(DeadlineBody<ScriptedBody>, WatchedBody<ScriptedBody>)>();
}

#[test]
fn errors_go_wherever_errors_go() {
    is_error::<BodyError>();
    is_error::<PropagateError>();
    is_error::<RequestEnded>();
    is_error::<Exceeded>();
}

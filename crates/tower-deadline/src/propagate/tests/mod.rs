//! What is left travels with each call, and bounds it here.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService};
use http::{HeaderMap, Request, Response};
use http_deadline::{Deadline, Policy};
use tower::{Layer, Service};

use super::{Propagate, PropagateLayer};
use crate::now;
use crate::testing::MS;

mod answers;
mod bounds;
mod fields;
mod grpc;
mod released;
mod retry;
mod uncounted;

type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

/// A client whose upstream answers at once and keeps what it was sent.
struct Upstream<S> {
    client: S,
    probe: Probe,
    sent: Arc<Mutex<Vec<HeaderMap>>>,
}

impl<S> Upstream<S> {
    /// The fields of the call that was sent last.
    #[track_caller]
    fn sent(&self) -> HeaderMap {
        self.sent.lock().unwrap().last().cloned().expect("nothing was sent")
    }
}

type Answering = Propagate<ScriptedService<Box<dyn Fn(Request<()>) -> Ready<Outcome> + Send>>>;

fn upstream(layer: &PropagateLayer) -> Upstream<Answering> {
    answering(layer, || Response::new(ScriptedBody::full("charged")))
}

fn answering(
    layer: &PropagateLayer,
    answer: impl Fn() -> Response<ScriptedBody> + Send + 'static,
) -> Upstream<Answering> {
    let (probe, sent) = (Probe::default(), Arc::<Mutex<Vec<HeaderMap>>>::default());
    let kept = Arc::clone(&sent);
    let handler = Box::new(move |request: Request<()>| {
        kept.lock().unwrap().push(request.headers().clone());
        ready(Ok(answer()))
    });
    let client = layer.layer(ScriptedService::new(Gate::default(), probe.clone(), handler as Box<_>));
    Upstream { client, probe, sent }
}

/// A call with this deadline in its extensions.
fn within(timeout: u32) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), timeout * MS));
    request
}

/// A journey of this policy.
fn journey(policy: Policy) -> crate::Journey {
    crate::Journey::new(policy.into(), true)
}

/// Makes a client ready, and calls it.
fn send<S: Service<Request<()>>>(client: &mut S, request: Request<()>) -> std::pin::Pin<Box<S::Future>> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    Box::pin(client.call(request))
}

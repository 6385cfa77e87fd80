//! Head and both bodies end in time: one file for each place that can time out, and what holds for all.

use std::future::{Ready, pending, ready};

use deadline_testkit::{Gate, Probe, ScriptedBody, ScriptedError, ScriptedService, Step};
use http::{Request, Response};
use tower_layer::Layer;

use super::{Enforce, EnforceLayer};
use crate::WatchedBody;

mod ambient;
mod arrival;
mod causes;
mod coverage;
mod grpc;
mod head;
mod in_body;
mod observed;
mod owners;
mod queue;
mod request_body;
mod response_body;
mod starvation;
mod tie;

type Incoming = Request<WatchedBody<ScriptedBody>>;
type Outcome = Result<Response<ScriptedBody>, ScriptedError>;

/// An enforced service that is always ready.
fn enforced<H>(probe: &Probe, handler: H) -> Enforce<ScriptedService<H>> {
    behind(&Gate::default(), probe, handler)
}

/// An enforced service behind a gate.
fn behind<H>(gate: &Gate, probe: &Probe, handler: H) -> Enforce<ScriptedService<H>> {
    EnforceLayer::new().layer(ScriptedService::new(gate.clone(), probe.clone(), handler))
}

/// A handler that never answers.
fn silent(_: Incoming) -> std::future::Pending<Outcome> {
    pending()
}

/// A handler that answers at once.
fn prompt(_: Incoming) -> Ready<Outcome> {
    ready(Ok(Response::new(ScriptedBody::full("in time"))))
}

/// A service that answers at once with these steps.
fn streaming<const N: usize>(
    content_type: &'static str,
    steps: [Step; N],
) -> Enforce<ScriptedService<impl Fn(Incoming) -> Ready<Outcome> + Clone>> {
    let handler = move |_: Incoming| ready(Ok(crate::testing::response(content_type, steps.clone())));
    enforced(&Probe::default(), handler)
}

//! What becomes of a request between its deadline and its attempts, and of its answer.

use super::*;
use crate::shutdown::Shutdown;
use bytes::Bytes;
use deadline_testkit::{BodyProbe, ScriptedBody, Step};
use http_body_util::{BodyExt, Empty};
use tower_deadline::{Policy, now};

mod body_rate;
mod in_flight;
mod stall;
mod stop;

const SECOND: Duration = Duration::from_secs(1);

type Scripted = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// Steps of a route with no limits, and no tunnels.
pub(in crate::proxy) fn steps(shutdown: &Shutdown) -> Steps {
    let answers = Answers::new().hop("edge");
    Steps {
        lookout: Lookout::new(shutdown.clone()),
        head_count: HeadCount::new(100, answers.clone()),
        write_stall: 30 * SECOND,
        in_flight: InFlight::new(None, answers.clone()),
        body_rate: BodyRate::new(None, answers.clone()),
        tunnel: Opener::new(Default::default(), Default::default(), answers.clone()).unwrap(),
        hop_by_hop: HopByHopLayer::default().answers(answers.clone()),
        forward: ForwardLayer::new(&Default::default(), "edge", answers.clone()).unwrap(),
        rewrite: Rewriter::default(),
        gateway: Gateway::new(answers.clone(), Policy::new().statuses(), "edge"),
        answers,
    }
}

fn body(steps: impl IntoIterator<Item = Step>) -> (Scripted, BodyProbe) {
    scripted(ScriptedBody::new(steps))
}

fn scripted(body: ScriptedBody) -> (Scripted, BodyProbe) {
    let probe = body.probe();
    (body.map_err(|error| BodyError::Inner(error.into())).boxed_unsync(), probe)
}

fn request(kind: &'static str, version: Version) -> Request<Empty<Bytes>> {
    Request::get("http://shop.example/")
        .header("content-type", kind)
        .version(version)
        .body(Empty::new())
        .unwrap()
}

//! R14: with the layers and without them a body is the same: data, trailers, size hint and end.
//!
//! The bare body is the model. Each script is played through every layer, in both directions, and what can be
//! seen before and at each poll is compared.

use crate::testing::{poll, poll_frame, ready as now_ready, trailers, within};
use crate::{
    Deadline, DeadlineLayer, EnforceLayer, HopByHopLayer, Journey, Policy, PropagateLayer, RescueLayer, UpgradePolicy,
    now,
};
use bytes::Bytes;
use deadline_testkit::{ScriptedBody, ScriptedError, Step};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tower::{Layer, Service, service_fn};

#[derive(Debug, PartialEq)]
struct Seen {
    hint: (u64, Option<u64>),
    is_end_stream: bool,
    polled: Polled,
}

#[derive(Debug, PartialEq)]
enum Polled {
    Pending,
    Data(Bytes),
    Trailers(HeaderMap),
    Error,
    End,
}

/// Polls a body to its end, and twice more.
fn play<B: Body<Data = Bytes>>(body: B) -> Vec<Seen> {
    let mut body = Box::pin(body);
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Seen { polled: Polled::Error | Polled::End, .. })) {
        let hint = (body.size_hint().lower(), body.size_hint().upper());
        let is_end_stream = body.is_end_stream();
        seen.push(Seen { hint, is_end_stream, polled: polled(body.as_mut()) });
    }
    for _ in 0..2 {
        assert_eq!(polled(body.as_mut()), Polled::End);
    }
    seen
}

fn polled<B: Body<Data = Bytes>>(mut body: Pin<&mut B>) -> Polled {
    match poll_frame(&mut body) {
        Poll::Pending => Polled::Pending,
        Poll::Ready(None) => Polled::End,
        Poll::Ready(Some(Err(_))) => Polled::Error,
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => Polled::Data(data),
            Err(frame) => Polled::Trailers(frame.into_trailers().ok().unwrap()),
        },
    }
}

/// Every script of up to four steps, telling its size and end or not.
fn scripts() -> Vec<impl Fn() -> ScriptedBody> {
    let steps = [
        Step::Data("a"),
        Step::Data("bc"),
        Step::Data(""),
        Step::Wait,
        Step::Trailers(trailers("x-sum", "1")),
        Step::Error,
    ];
    let mut scripts = vec![Vec::new()];
    let mut longest = scripts.clone();
    for _ in 0..4 {
        let longer = |script: &Vec<Step>| steps.clone().map(|step| [script.as_slice(), &[step]].concat());
        longest = longest.iter().flat_map(longer).collect();
        scripts.extend_from_slice(&longest);
    }
    let scripts = scripts.into_iter().flat_map(|script| (0..4).map(move |telling| (script.clone(), telling)));
    scripts
        .map(|(script, telling)| {
            move || {
                let body = ScriptedBody::new(script.clone());
                let body = if telling & 1 != 0 { body.telling_size() } else { body };
                if telling & 2 != 0 { body.telling_end() } else { body }
            }
        })
        .collect()
}

type Outcome<B> = Result<Response<B>, ScriptedError>;

/// Compares with the model what `through` makes of each script.
fn compare<B: Body<Data = Bytes>>(mut through: impl FnMut(ScriptedBody) -> B) {
    for script in scripts() {
        let (model, body) = (script(), script());
        let steps = format!("{model:?}");
        assert_eq!(play(through(body)), play(model), "{steps}");
    }
}

/// The same, for a layer that lets nobody poll a body after its end, and drops it there.
fn compare_enforced<B: Body<Data = Bytes>>(mut through: impl FnMut(ScriptedBody) -> B) {
    let mut probes = Vec::new();
    compare(|body| {
        probes.push(body.probe());
        through(body)
    });
    assert!(probes.iter().all(|probe| probe.polled_after_end() == 0 && probe.is_dropped()));
}

/// The response of a service that answers with this body.
fn answered<L, B>(layer: &L, body: ScriptedBody) -> B
where
    L: Layer<Answering>,
    L::Service: Service<Request<ScriptedBody>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let mut service = layer.layer(Answering(Arc::new(Mutex::new(Some(body)))));
    let calling = Box::pin(service.call(within(Duration::from_secs(1))));
    now_ready(poll({ calling }.as_mut())).into_body()
}

#[derive(Clone)]
struct Answering(Arc<Mutex<Option<ScriptedBody>>>);

impl<R> Service<R> for Answering {
    type Response = Response<ScriptedBody>;
    type Error = ScriptedError;
    type Future = std::future::Ready<Outcome<ScriptedBody>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        ready(Ok(Response::new(self.0.lock().unwrap().take().unwrap())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_body_passes_the_paved_path() {
    compare_enforced(|body| answered(&DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(1))), body));
}

#[tokio::test(start_paused = true)]
async fn a_response_body_passes_each_layer_alone() {
    compare_enforced(|body| answered(&EnforceLayer::new(), body));
    compare(|body| answered(&RescueLayer::new(), body));
    compare(|body| answered(&HopByHopLayer::new(UpgradePolicy::Strip), body));
    compare_enforced(|body| answered(&PropagateLayer::new(), body));
}

#[tokio::test(start_paused = true)]
async fn a_request_body_passes_the_paved_path() {
    compare_enforced(|body| {
        let mut passed = None;
        let layer = DeadlineLayer::new(Policy::new().default_timeout(Duration::from_secs(1)));
        let kept = Arc::new(Mutex::new(&mut passed));
        let mut service = layer.layer(service_fn(|request: Request<crate::WatchedBody<ScriptedBody>>| {
            **kept.lock().unwrap() = Some(request.into_body());
            ready(Outcome::Ok(Response::new(ScriptedBody::full(""))))
        }));
        let calling = Box::pin(service.call(Request::new(body)));
        now_ready(poll({ calling }.as_mut()));
        drop(service);
        passed.unwrap()
    });
}

/// Neither does a body that is not enforced change.
#[tokio::test(start_paused = true)]
async fn a_response_body_passes_unchanged_where_nothing_covers_it() {
    compare_enforced(|body| {
        let mut service = EnforceLayer::new().layer(Answering(Arc::new(Mutex::new(Some(body)))));
        let mut request = Request::new(ScriptedBody::full(""));
        request.extensions_mut().insert(Deadline::after(now(), Duration::from_secs(1)));
        request
            .extensions_mut()
            .insert(Journey::new(Policy::new().covers(crate::Covers::Head).into(), false));
        let calling = Box::pin(service.call(request));
        now_ready(poll({ calling }.as_mut())).into_body()
    });
}

//! The trace: the spans of the proxy as a collector has them, and those of the services as OpenTelemetry has them.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::SpanData;

use crate::observe::three_hops::chain::Chain;
use crate::observe::three_hops::run::Run;
use crate::observe::three_hops::slow::Place;
use crate::observe::three_hops::told::{Time, Told, Word};
use crate::observe::traces;
use crate::support::eventually;

/// The span of the client, which nobody tells of.
const PARENT_OF_ALL: &str = "00f067aa0ba902b7";

/// A span, wherever it was found.
struct Span {
    place: Place,
    id: String,
    parent: String,
    attributes: BTreeMap<String, String>,
    /// Of the request itself, where that is known.
    took: Option<Duration>,
}

impl Span {
    fn of_proxy(span: traces::Span) -> Self {
        Self { place: Place::Proxy, id: span.id, parent: span.parent, attributes: span.attributes, took: None }
    }

    fn of_service(place: Place, span: SpanData) -> Self {
        let attributes = span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string()));
        let took = span.end_time.duration_since(span.start_time).ok();
        Self {
            place,
            id: span.span_context.span_id().to_string(),
            parent: span.parent_span_id.to_string(),
            attributes: attributes.collect(),
            took: took.filter(|_| span.span_kind == SpanKind::Server),
        }
    }

    fn said(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

/// All of this run that have ended.
fn spans(chain: &Chain, run: &Run) -> Vec<Span> {
    let of_proxy = chain.collector.spans().into_iter().filter(|span| span.trace == run.trace).map(Span::of_proxy);
    let of_services = [Place::Orders, Place::Payments].into_iter().flat_map(|place| {
        let ended = chain.service(place).map(|hop| hop.spans.get_finished_spans().expect("nobody panics with them"));
        let ended = ended.unwrap_or_default().into_iter();
        let of_run = ended.filter(|span| span.span_context.trace_id().to_string() == run.trace);
        of_run.map(move |span| Span::of_service(place, span))
    });
    of_proxy.chain(of_services).collect()
}

/// A span, and those that it is part of, up to the request of the client.
fn lineage<'s>(spans: &'s [Span], span: &'s Span) -> Vec<&'s Span> {
    let parent = |span: &&'s Span| spans.iter().find(|parent| parent.id == span.parent);
    std::iter::successors(Some(span), parent).collect()
}

pub(in super::super) async fn told(chain: &Chain, run: &Run) -> Told {
    // A hop that it came to has a span of the request, and the proxy has sent its own in its time.
    let last = run.hop();
    let is_whole = |spans: &[Span]| {
        let has =
            |place: Place| spans.iter().any(|span| span.place == place && span.said("http.request.method").is_some());
        spans.iter().any(|span| span.parent == PARENT_OF_ALL)
            && Place::ALL.into_iter().filter(|at| *at <= last).all(has)
    };
    eventually("the spans of a run", || is_whole(&spans(chain, run))).await;
    let spans = spans(chain, run);
    let stopped = spans.iter().filter(|span| span.said("deadline.stage").is_some());
    let lineage = stopped.map(|span| lineage(&spans, span)).max_by_key(Vec::len).unwrap_or_default();
    let deepest = lineage.first().copied();
    // Going back, the first that did not get its limit from a field.
    let set = lineage.iter().find(|span| span.said("deadline.origin").is_some_and(|origin| origin != "header"));
    let said = |key: &str| deepest.and_then(|span| span.said(key));
    let told = Told::by("trace")
        .word(Word::Hop, deepest.map(|span| span.place.name()))
        .word(Word::Stage, said("deadline.stage"))
        .word(Word::Cause, said("deadline.cause"))
        .word(Word::Origin, Some(set.and_then(|span| span.said("deadline.origin")).unwrap_or("header")))
        .word(Word::OriginHop, set.map(|span| span.place.name()));
    let took = spans.iter().filter_map(|span| Some((span.place, span.took?)));
    took.fold(told, |told, (place, took)| told.time(Time::Took(place), Some(took.as_secs_f64() * 1_000.0)))
}

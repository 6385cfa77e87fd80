//! What spans tell, with the SDK of OpenTelemetry in this process.

use std::sync::{Arc, Mutex};

use deadline_testkit::{ScriptedBody, Step};
use http::{HeaderMap, Request, Response};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use tower::{BoxError, service_fn};
use tower_service::Service;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::layer::SubscriberExt;

use crate::testing::{MS, plain};
use crate::{DeadlineLayer, Policy, PropagateLayer, WatchedBody};

mod calls;
mod requests;
mod unheard;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The spans that end on this thread, for as long as it is kept.
pub(crate) struct Seen {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    _default: DefaultGuard,
}

impl Seen {
    pub(crate) fn all() -> Self {
        Self::sampled(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
    }

    fn sampled(sampler: Sampler) -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(exporter.clone());
        let provider = provider.build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("tests"));
        let default = set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, provider, _default: default }
    }

    /// Those that have ended, in the order in which they did.
    pub(crate) fn ended(&self) -> Vec<SpanData> {
        self.provider.force_flush().unwrap();
        self.exporter.get_finished_spans().unwrap()
    }

    /// The one that has ended.
    #[track_caller]
    fn one(&self) -> SpanData {
        let mut ended = self.ended();
        assert_eq!(ended.len(), 1, "{ended:#?}");
        ended.remove(0)
    }
}

/// What a span has of this name.
pub(crate) fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key.as_str() == name);
    let value = found.next().map(|attribute| attribute.value.to_string());
    assert!(found.next().is_none(), "{name} is told twice");
    value
}

#[track_caller]
pub(crate) fn assert_tells(span: &SpanData, told: &[(&str, &str)]) {
    for (name, value) in told {
        assert_eq!(attribute(span, name).as_deref(), Some(*value), "{name} of {span:#?}");
    }
}

/// The events of a span, as `name value value …`, without what is left.
pub(crate) fn events(span: &SpanData) -> Vec<String> {
    let told = |event: &opentelemetry::trace::Event| {
        let values = event.attributes.iter().filter(|attribute| attribute.key.as_str() != "remaining_ms");
        values.fold(event.name.to_string(), |told, attribute| format!("{told} {}", attribute.value))
    };
    span.events.iter().map(told).collect()
}

fn traced(parent: &str) -> Request<ScriptedBody> {
    let mut request = plain();
    request.headers_mut().insert("traceparent", parent.parse().unwrap());
    request
}

fn answer(status: u16, steps: impl IntoIterator<Item = Step>) -> Response<ScriptedBody> {
    Response::builder().status(status).body(ScriptedBody::new(steps)).unwrap()
}

/// The fields of the calls that were sent.
type Sent = Arc<Mutex<Vec<HeaderMap>>>;

/// A client whose upstream answers at once, and keeps what it was sent.
fn upstream<B: Send + 'static>(
    sent: &Sent,
    status: u16,
) -> impl Service<Request<B>, Response = Response<WatchedBody<ScriptedBody>>, Error = crate::PropagateError, Future: Send>
+ Clone {
    let sent = Arc::clone(sent);
    let answers = service_fn(move |request: Request<B>| {
        sent.lock().unwrap().push(request.headers().clone());
        async move { Ok::<_, BoxError>(answer(status, [Step::Data("charged")])) }
    });
    tower::Layer::layer(&PropagateLayer::new(), answers)
}

fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// The layer of a service, with a default of 300 ms.
fn layer() -> DeadlineLayer {
    DeadlineLayer::new(Policy::new().named("payment").default_timeout(300 * MS)).hop("orders")
}

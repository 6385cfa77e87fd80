//! From the spans of `tracing` to a collector.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use http::{Extensions, Request};
use opentelemetry::trace::{SpanKind, TraceId as Id, TracerProvider};
use opentelemetry::{Context, KeyValue, trace::Link};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tower_deadline::trace::{self, Route};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use super::batch::{self, Export};
use super::queue::{Queue, Signal};
use super::{Protocol, Settings};

/// Whether a program that was built like this one has traces.
pub(crate) const ARE_BUILT: bool = true;

/// The most spans that wait: a few megabytes.
const WAITING: usize = 4096;

/// Where spans go.
#[derive(Debug)]
pub(crate) struct Traces {
    tracer: SdkTracer,
    /// Has the queue.
    _provider: SdkTracerProvider,
    share: Share,
    signal: Arc<Signal>,
    /// Ready once everything is exported.
    done: oneshot::Receiver<()>,
}

impl Traces {
    /// Makes ready what exports; calls nobody before there is a span. `None` where nobody wants that.
    ///
    /// # Errors
    ///
    /// There is no thread to be had.
    pub(crate) fn start(settings: Option<&Settings>) -> io::Result<Option<Self>> {
        settings.map(Self::of).transpose()
    }

    fn of(settings: &Settings) -> io::Result<Self> {
        let ((sender, spans), (tell, done)) = (mpsc::channel(WAITING), oneshot::channel());
        let (signal, share) = (Arc::<Signal>::default(), Share::of(settings.sample));
        let resource = Resource::builder().with_service_name(settings.service.clone()).build();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (told, theirs, ours) = (settings.clone(), resource.clone(), Arc::clone(&signal));
        let export = move || {
            runtime.block_on(async move {
                match exporter(&told) {
                    Ok(mut exporter) => {
                        opentelemetry_sdk::trace::SpanExporter::set_resource(&mut exporter, &theirs);
                        batch::run(spans, &ours, &Exporter(exporter)).await;
                    }
                    // ERROR: no span leaves this process until it is started anew.
                    Err(error) => tracing::error!("spans are not exported: {error}"),
                }
            });
            // Nobody waits any more, then.
            let _ = tell.send(());
        };
        thread::Builder::new().name("traces".to_owned()).spawn(export)?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(share.clone())))
            .with_span_processor(Queue::new(sender, Arc::clone(&signal)))
            .build();
        Ok(Self { tracer: provider.tracer("deadline-proxy"), _provider: provider, share, signal, done })
    }

    /// What takes the spans of requests and of their attempts, and nothing else.
    pub(crate) fn layer<S>(traces: Option<&Self>) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        // What its context is, nobody asks but the spans themselves.
        let layer = traces.map(|traces| {
            tracing_opentelemetry::layer()
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false)
                .with_tracer(traces.tracer.clone())
        });
        // A layer without a filter would have every request make its spans, for nobody.
        let level = if layer.is_some() { LevelFilter::INFO } else { LevelFilter::OFF };
        layer.with_filter(Targets::new().with_target(trace::TARGET, level))
    }

    /// Keeps this share of the traces that begin from here on.
    pub(crate) fn keep(&self, share: f64) {
        self.share.0.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Exports what waits, for as long as this at most. What ends later is dropped.
    pub(crate) async fn flush(self, limit: Duration) {
        self.signal.close();
        if timeout(limit, self.done).await.is_err() {
            // WARN: the last requests of this process are in no trace.
            tracing::warn!("spans were left that the collector did not take within {limit:?}");
        }
    }
}

/// To be made within the runtime that it is used in.
fn exporter(settings: &Settings) -> Result<SpanExporter, opentelemetry_otlp::ExporterBuildError> {
    let (target, builder) = (settings.endpoint.target(settings.protocol), SpanExporter::builder());
    match settings.protocol {
        Protocol::Grpc => builder.with_tonic().with_endpoint(target).with_timeout(batch::EXPORT).build(),
        Protocol::Http => builder.with_http().with_endpoint(target).with_timeout(batch::EXPORT).build(),
    }
}

struct Exporter(SpanExporter);

impl Export for Exporter {
    async fn export(&self, spans: Vec<opentelemetry_sdk::trace::SpanData>) -> Result<(), String> {
        let done = opentelemetry_sdk::trace::SpanExporter::export(&self.0, spans).await;
        done.map_err(|error| error.to_string())
    }
}

/// The share of traces that is kept, which a reload may change. By the trace's own number, so that all hops that keep the
/// same share keep the same ones.
#[derive(Clone, Debug)]
struct Share(Arc<AtomicU64>);

impl Share {
    fn of(share: f64) -> Self {
        Self(Arc::new(AtomicU64::new(share.to_bits())))
    }
}

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: Id,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let share = f64::from_bits(self.0.load(Ordering::Relaxed));
        Sampler::TraceIdRatioBased(share).should_sample(parent, trace, name, kind, attributes, links)
    }
}

/// The trace of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceId(trace::TraceId);

impl TraceId {
    /// That of the answer with these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied().map(Self)
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Notes the route of a request for its span, where it may have one.
pub(crate) fn note_route<B>(request: &mut Request<B>, route: &Arc<str>) {
    if trace::is_wanted() {
        request.extensions_mut().insert(Route::new(Arc::clone(route)));
    }
}

/// Tells in the span of the attempt that runs which upstream is asked.
pub(crate) fn note_upstream(name: &str) {
    if trace::is_wanted() {
        tracing::Span::current().record("peer.service", name);
    }
}

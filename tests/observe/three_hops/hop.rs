//! A service on a thread of its own: what is counted and traced in it is told apart from that of its neighbours.
//!
//! Everybody reads one clock, because all of them run in this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Router, serve};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower_deadline::trace;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use crate::sql::support::Counts;
use crate::support::soon;

/// A service that runs until this is dropped.
pub(super) struct Hop {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) counts: Counts,
    pub(super) journal: Journal,
    /// The spans that have ended, as OpenTelemetry has them.
    pub(super) spans: InMemorySpanExporter,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// When requests came to a service, and when they left it again: seen from outside of everything that is tested.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Arc<Mutex<Vec<Visit>>>);

/// One request at a service.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) path: String,
    pub(super) came: Instant,
    /// With an answer, or dropped without one.
    pub(super) left: Option<Instant>,
}

impl Hop {
    /// Serves what `app` makes on that thread.
    pub(super) async fn start<F>(name: &'static str, app: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Router>,
    {
        let (counts, journal, spans) = (Counts::default(), Journal::default(), InMemorySpanExporter::default());
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let (counted, noted, traced) = (counts.clone(), journal.clone(), spans.clone());
        let thread = thread::spawn(move || {
            let _counting = counted.record();
            let _tracing = traced_by(name, traced);
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
                let app = app().await.layer(from_fn_with_state(noted, note));
                ready
                    .send(listener.local_addr().expect("a listener has an address"))
                    .expect("somebody waits for it");
                tokio::select! {
                    served = async { serve(listener, app).await } => served.expect("it serves"),
                    _ = stopped => {}
                }
            });
        });
        let address = soon("a service", address).await.expect("it serves");
        Self { name, address, counts, journal, spans, stop: Some(stop), thread: Some(thread) }
    }
}

/// Has this thread tell OpenTelemetry of what the library tells, by the usual layers.
fn traced_by(name: &'static str, exporter: InMemorySpanExporter) -> DefaultGuard {
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    let ours = Targets::new().with_target(trace::TARGET, LevelFilter::TRACE);
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(name)).with_filter(ours);
    tracing::subscriber::set_default(tracing_subscriber::registry().with(layer))
}

impl Drop for Hop {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "{} panicked", self.name);
        }
    }
}

impl Journal {
    /// The visit for this path, if there was one.
    pub(super) fn of(&self, path: &str) -> Option<Visit> {
        self.0.lock().expect("nobody panics with it").iter().rfind(|visit| visit.path == path).cloned()
    }

    fn came(&self, path: &str) -> Leaving {
        let visit = Visit { path: path.to_owned(), came: Instant::now(), left: None };
        let mut visits = self.0.lock().expect("nobody panics with it");
        visits.push(visit);
        Leaving { journal: self.clone(), number: visits.len() - 1 }
    }
}

/// Notes that a request leaves, however it does.
struct Leaving {
    journal: Journal,
    number: usize,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut visits = self.journal.0.lock().expect("nobody panics with it");
        visits[self.number].left = Some(Instant::now());
    }
}

async fn note(State(journal): State<Journal>, request: Request, next: Next) -> Response {
    let _leaving = journal.came(request.uri().path());
    next.run(request).await
}

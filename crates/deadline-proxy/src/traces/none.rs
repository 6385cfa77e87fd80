//! Traces of a program that was built without the feature `otlp`: none.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Request};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Identity;
use tracing_subscriber::registry::LookupSpan;

use super::Settings;

/// The trace of a request. There is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceId(Infallible);

/// Whether a program that was built like this one has traces.
pub(crate) const ARE_BUILT: bool = false;

/// Where spans go: nowhere.
#[derive(Debug)]
pub(crate) struct Traces(Infallible);

impl Traces {
    pub(crate) fn start(_: Option<&Settings>) -> std::io::Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(_: Option<&Self>) -> impl Layer<S> + use<S> {
        // A layer without a filter would have every request make its spans, for nobody.
        Identity::new().with_filter(LevelFilter::OFF)
    }

    pub(crate) fn keep(&self, _: f64) {
        match self.0 {}
    }

    pub(crate) async fn flush(self, _: Duration) {
        match self.0 {}
    }
}

impl TraceId {
    pub(crate) fn of(_: &Extensions) -> Option<Self> {
        None
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {}
    }
}

/// Notes nothing.
pub(crate) fn note_route<B>(_: &mut Request<B>, _: &Arc<str>) {}

/// Notes nothing.
pub(crate) fn note_upstream(_: &str) {}

//! Where spans wait for the thread that exports them.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::count;

/// Takes what has ended, and never waits: what finds no place is dropped, and counted.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    signal: Arc<Signal>,
}

/// What the thread is told.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// There is enough for more than one batch.
    full: Notify,
    closed: CancellationToken,
}

impl Signal {
    /// Has it export what there is, and end.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Ready when it is not worth waiting for more.
    pub(super) async fn is_urgent(&self) {
        tokio::select! {
            () = self.full.notified() => {}
            () = self.closed.cancelled() => {}
        }
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Queue {
    pub(super) fn new(spans: Sender<SpanData>, signal: Arc<Signal>) -> Self {
        Self { spans, signal }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.spans.try_send(span).is_err() {
            count::spans_dropped("full", 1);
        }
        if self.spans.capacity() < self.spans.max_capacity() / 2 {
            self.signal.full.notify_one();
        }
    }

    /// What waits is exported in its time.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.signal.close();
        Ok(())
    }
}

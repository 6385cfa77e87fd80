//! Batches of spans, one after the other, and what becomes of each.
//!
//! Covers when a batch is full enough, how long an export may take, and what is said of a collector that is not there.

use std::future::Future;
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};

use super::queue::Signal;
use crate::count;

/// The most spans that are exported at once.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const DELAY: Duration = Duration::from_secs(1);

/// How long one export may take, with whatever is tried again.
pub(super) const EXPORT: Duration = Duration::from_secs(5);

/// What takes spans to a collector.
pub(super) trait Export {
    /// Why it did not take them.
    fn export(&self, spans: Vec<SpanData>) -> impl Future<Output = Result<(), String>>;
}

/// Exports what comes, until it is told that no more does; then what is left.
pub(super) async fn run(mut spans: Receiver<SpanData>, signal: &Signal, exporter: &impl Export) {
    let mut way = Way::default();
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            some = spans.recv_many(&mut batch, 1) => if some == 0 { return },
            () = signal.closed() => spans.close(),
        }
        if batch.is_empty() {
            // Closed: what waits is handed out still, and then nothing.
            continue;
        }
        if spans.len() < BATCH {
            tokio::select! {
                () = sleep(DELAY) => {}
                () = signal.is_urgent() => {}
            }
        }
        while batch.len() < BATCH
            && let Ok(span) = spans.try_recv()
        {
            batch.push(span);
        }
        way.went(batch.len(), attempt(exporter, batch).await);
    }
}

async fn attempt(exporter: &impl Export, batch: Vec<SpanData>) -> Result<(), String> {
    match timeout(EXPORT, exporter.export(batch)).await {
        Ok(done) => done,
        Err(_) => Err(format!("no answer within {EXPORT:?}")),
    }
}

/// How it goes, as far as that is told: once as it begins to fail, and once as it works again.
#[derive(Debug, Default)]
struct Way {
    is_failing: bool,
}

impl Way {
    fn went(&mut self, spans: usize, outcome: Result<(), String>) {
        let fails = outcome.is_err();
        let has_changed = std::mem::replace(&mut self.is_failing, fails) != fails;
        match outcome {
            Ok(()) => {
                count::spans_exported(spans);
                if has_changed {
                    // INFO: it is again as it should be.
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                count::spans_dropped("failed", spans);
                if has_changed {
                    // WARN: requests go on, and whoever looks for their traces finds none.
                    tracing::warn!("the collector does not take spans, and they are dropped until it does: {error}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Queue;
    use super::*;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use std::cell::RefCell;
    use std::future::pending;
    use std::pin::pin;
    use std::sync::Arc;
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    /// How a collector answers, and how many spans each export had.
    struct Collector {
        exports: RefCell<Vec<usize>>,
        answers: Answers,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Answers {
        Takes,
        Refuses,
        Never,
    }

    impl Collector {
        fn that(answers: Answers) -> Self {
            Self { exports: RefCell::default(), answers }
        }

        fn exports(&self) -> Vec<usize> {
            self.exports.take()
        }
    }

    impl Export for Collector {
        async fn export(&self, spans: Vec<SpanData>) -> Result<(), String> {
            self.exports.borrow_mut().push(spans.len());
            match self.answers {
                Answers::Takes => Ok(()),
                Answers::Refuses => Err("no".to_owned()),
                Answers::Never => pending().await,
            }
        }
    }

    /// What ends spans, so many of which can wait, and what exports them.
    fn queue(waiting: usize, sampler: Sampler) -> (SdkTracerProvider, Receiver<SpanData>, Arc<Signal>) {
        let ((sender, spans), signal) = (mpsc::channel(waiting), Arc::<Signal>::default());
        let processor = Queue::new(sender, Arc::clone(&signal));
        let provider = SdkTracerProvider::builder().with_sampler(sampler).with_span_processor(processor).build();
        (provider, spans, signal)
    }

    fn end(provider: &SdkTracerProvider, spans: usize) {
        (0..spans).for_each(|_| drop(provider.tracer("tests").start("span")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_a_second_for_others_and_not_longer() {
        let (provider, spans, signal) = queue(100, Sampler::AlwaysOn);
        let collector = Collector::that(Answers::Takes);
        let mut running = pin!(run(spans, &signal, &collector));
        end(&provider, 3);
        let waited = timeout(DELAY - Duration::from_millis(1), &mut running).await;
        assert!(waited.is_err() && collector.exports().is_empty());
        end(&provider, 2);
        assert!(timeout(Duration::from_millis(2), &mut running).await.is_err());
        assert_eq!(collector.exports(), [5]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fills_up_is_exported_at_once_in_batches() {
        let (provider, spans, signal) = queue(4 * BATCH, Sampler::AlwaysOn);
        let collector = Collector::that(Answers::Takes);
        let mut running = pin!(run(spans, &signal, &collector));
        end(&provider, 3 * BATCH);
        assert!(timeout(Duration::from_millis(1), &mut running).await.is_err());
        assert_eq!(collector.exports(), [BATCH, BATCH, BATCH]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_place_and_what_finds_none_is_gone() {
        let (provider, spans, signal) = queue(10, Sampler::AlwaysOn);
        let collector = Collector::that(Answers::Takes);
        end(&provider, 15);
        signal.close();
        run(spans, &signal, &collector).await;
        assert_eq!(collector.exports(), [10]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_end_exports_what_there_is_first_and_at_once() {
        let (provider, spans, signal) = queue(2 * BATCH, Sampler::AlwaysOn);
        let collector = Collector::that(Answers::Takes);
        end(&provider, BATCH + 1);
        signal.close();
        let began = Instant::now();
        run(spans, &signal, &collector).await;
        assert_eq!((collector.exports(), began.elapsed()), (vec![BATCH, 1], Duration::ZERO));
        // Whoever ends one now is not kept.
        end(&provider, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_is_silent_is_waited_for_so_long_and_one_that_refuses_is_asked_again() {
        for (answers, took) in [(Answers::Never, EXPORT), (Answers::Refuses, Duration::ZERO)] {
            let (provider, spans, signal) = queue(10, Sampler::AlwaysOn);
            let collector = Collector::that(answers);
            end(&provider, 1);
            signal.close();
            let began = Instant::now();
            run(spans, &signal, &collector).await;
            assert_eq!((collector.exports(), began.elapsed()), (vec![1], took));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_kept_does_not_wait() {
        let (provider, spans, signal) = queue(10, Sampler::AlwaysOff);
        let collector = Collector::that(Answers::Takes);
        end(&provider, 5);
        signal.close();
        run(spans, &signal, &collector).await;
        assert!(collector.exports().is_empty());
    }
}

//! What is told of some requests only: where their policy, or whoever looks on, wants it.
//!
//! Covers who is told what. It is shared: whoever has custody of the request tells it how that goes, the future of the
//! layer shows it the final answer, and the journey lets it hear of stages and calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Response};
use http_deadline::{CallEvent, Cause, Deadline, Exceeded, Ledger as Ledgered, Listener, Stage};

use super::Came;
use super::ledger::Ledger;
#[cfg(feature = "tracing")]
use crate::trace::TraceId;
use crate::trace::{RequestSpan, Within};

/// What is told of one request. There is none where nobody wants it.
#[derive(Debug)]
pub(crate) struct Extra {
    ledger: Option<Ledger>,
    span: Option<RequestSpan>,
    /// How many hold it [open](Open).
    open: AtomicUsize,
}

/// What is told of one request goes on until the last of these is dropped: whoever has custody of the request has one,
/// and whoever has its answer. A journey that somebody keeps does not keep it open.
#[derive(Debug)]
pub(crate) struct Open(Arc<Extra>);

impl Extra {
    /// Of a request that was granted this.
    #[inline]
    pub(super) fn open(came: &Came<'_>, deadline: Option<Deadline>) -> Option<Arc<Self>> {
        let wants_ledger = came.policy.ledgered() != Ledgered::Off;
        let ledger = || Ledger::open(came.answers.hop_name().cloned(), deadline, came.at);
        let span = RequestSpan::open(came.head, came.policy, deadline);
        (wants_ledger || span.is_some())
            .then(|| Arc::new(Self { ledger: wants_ledger.then(ledger), span, open: AtomicUsize::new(0) }))
    }

    /// Whatever works for the request does so within its span, for as long as what this yields is kept.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Within> {
        self.span.as_ref().and_then(RequestSpan::enter)
    }

    /// The request has waited for so long before it came, as a trusted front says.
    pub(crate) fn queued(&self, time: Duration) {
        self.ledger.iter().for_each(|ledger| ledger.queued(time));
    }

    /// The request was stopped here, for this cause.
    pub(crate) fn stopped(&self, stage: Stage, cause: Cause) {
        self.ledger.iter().for_each(|ledger| ledger.stopped(stage, cause));
        self.span.iter().for_each(|span| span.stopped(stage, cause));
    }

    /// The trace that it belongs to, where it has a span of one.
    #[cfg(feature = "tracing")]
    pub(crate) fn trace(&self) -> Option<TraceId> {
        self.span.as_ref().and_then(RequestSpan::trace)
    }

    /// This is its answer, whoever made it.
    pub(crate) fn answered<B>(&self, response: &mut Response<B>) {
        // What switches protocols is no response that has fields of its own.
        if let Some(ledger) = self.ledger.as_ref().filter(|_| !response.status().is_informational()) {
            match response.extensions().get::<Exceeded>() {
                // Another hop has stopped it; here it was in a call.
                Some(exceeded) if exceeded.trail().is_some() => ledger.passed(),
                // Whoever has in here, a database for one, has here.
                Some(exceeded) => ledger.stopped(exceeded.stage(), exceeded.cause()),
                None => {}
            }
            ledger.write(response.headers_mut());
        }
        self.span.iter().for_each(|span| span.answered(response));
    }
}

impl Open {
    pub(super) fn new(extra: Arc<Extra>) -> Self {
        extra.open.fetch_add(1, Ordering::Relaxed);
        Self(extra)
    }

    pub(crate) fn extra(&self) -> &Arc<Extra> {
        &self.0
    }
}

impl Clone for Open {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.span.iter().for_each(RequestSpan::close);
        }
    }
}

impl Listener for Extra {
    fn entered(&self, stage: Stage) {
        self.ledger.iter().for_each(|ledger| ledger.entered(stage));
        self.span.iter().for_each(|span| span.entered(stage));
    }

    fn left(&self, stage: Stage) {
        self.ledger.iter().for_each(|ledger| ledger.left(stage));
        self.span.iter().for_each(|span| span.left(stage));
    }

    /// What a call comes to is told in the span of the call.
    fn called(&self, _: &CallEvent<'_>) {}

    fn answered(&self, fields: &HeaderMap) {
        self.ledger.iter().for_each(|ledger| ledger.heard(fields));
    }
}

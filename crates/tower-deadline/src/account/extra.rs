//! What is told of some requests only: where their policy, or whoever looks on, wants it.
//!
//! Covers who is told what. It is shared: whoever has custody of the request tells it how that goes, the future of the
//! layer shows it the final answer, and the journey lets it hear of stages and calls.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http_deadline::{CallEvent, Cause, Deadline, Ledger as Ledgered, Listener, Stage};

use super::Came;
use super::ledger::Ledger;

/// What is told of one request. There is none where nobody wants it.
#[derive(Debug)]
pub(crate) struct Extra {
    ledger: Option<Ledger>,
}

impl Extra {
    /// Of a request that was granted this.
    #[inline]
    pub(super) fn open(came: &Came<'_>, deadline: Option<Deadline>) -> Option<Arc<Self>> {
        let wants_ledger = came.policy.ledgered() != Ledgered::Off;
        let ledger = || Ledger::open(came.answers.hop_name().cloned(), deadline, came.at);
        wants_ledger.then(|| Arc::new(Self { ledger: Some(ledger()) }))
    }

    /// The request has waited for so long before it came, as a trusted front says.
    pub(crate) fn queued(&self, time: Duration) {
        self.ledger.iter().for_each(|ledger| ledger.queued(time));
    }

    /// The request was stopped here, for this cause.
    pub(crate) fn stopped(&self, stage: Stage, cause: Cause) {
        self.ledger.iter().for_each(|ledger| ledger.stopped(stage, cause));
    }

    /// This is its answer, whoever made it.
    pub(crate) fn answered<B>(&self, response: &mut Response<B>) {
        // What switches protocols has no more to tell.
        if response.status().is_informational() {
            return;
        }
        self.ledger.iter().for_each(|ledger| ledger.write(response.headers_mut()));
    }
}

impl Listener for Extra {
    fn entered(&self, stage: Stage) {
        self.ledger.iter().for_each(|ledger| ledger.entered(stage));
    }

    fn left(&self, stage: Stage) {
        self.ledger.iter().for_each(|ledger| ledger.left(stage));
    }

    fn called(&self, _: &CallEvent<'_>) {}
}

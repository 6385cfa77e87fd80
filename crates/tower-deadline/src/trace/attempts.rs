//! The spans of a call that makes its attempts itself.

use std::sync::{Arc, Mutex, PoisonError};

use http_deadline::{CallEvent, Deadline, Journey, Listener, Stage};

use super::call::{CallSpan, To};
use super::context;
use super::span::Told;

/// Hears what happens in a call, and tells it in the span of the attempt under way. It has no journey, which has it.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Option<Arc<Told>>>);

impl Attempts {
    /// Of the call that has this journey; `None` where nobody wants that.
    pub(crate) fn of(call: &Journey) -> Option<Arc<Self>> {
        if !super::is_wanted() {
            return None;
        }
        let attempts = Arc::<Self>::default();
        call.listen(Arc::clone(&attempts) as _);
        Some(attempts)
    }

    /// An attempt that is made now. Its fields then have the context of its span (R22).
    pub(crate) fn begin(
        &self,
        request: &mut reqwest::Request,
        around: Option<&Journey>,
        deadline: Option<Deadline>,
    ) -> Option<CallSpan> {
        let (url, method) = (request.url(), request.method());
        let to = To { method, server: url.host_str(), port: url.port() };
        let span = CallSpan::new(to, around.cloned(), deadline);
        match span.as_ref().and_then(CallSpan::span) {
            Some(span) => context::write(&span, request.headers_mut()),
            None => context::write_current(request.headers_mut()),
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = span.as_ref().map(CallSpan::told);
        span
    }

    fn told(&self) -> Option<Arc<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listener for Attempts {
    fn entered(&self, stage: Stage) {
        self.told().iter().for_each(|told| told.entered(stage));
    }

    fn left(&self, stage: Stage) {
        self.told().iter().for_each(|told| told.left(stage));
    }

    fn called(&self, event: &CallEvent<'_>) {
        self.told().iter().for_each(|told| told.called(event));
    }
}

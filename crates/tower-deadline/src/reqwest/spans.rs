//! The spans of a call: one for each attempt.
//!
//! Covers which is under way, until the last one goes on with the body that came back.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use http_deadline::{Deadline, Journey};
use reqwest::Request;

use crate::trace::{Attempts, CallSpan};

/// The span of the attempt under way, where somebody wants it.
#[derive(Debug)]
pub(super) struct Spans {
    attempts: Option<Arc<Attempts>>,
    current: Mutex<Option<CallSpan>>,
}

impl Spans {
    /// Of the call that has this journey.
    pub(super) fn of(call: &Journey) -> Self {
        Self { attempts: Attempts::of(call), current: Mutex::default() }
    }

    /// An attempt with this request, which then carries it (R22).
    pub(super) fn begin(&self, request: &mut Request, around: Option<&Journey>, deadline: Option<Deadline>) {
        if let Some(attempts) = &self.attempts {
            // The one before ends now, and not within the lock.
            let _before = self.take();
            *self.lock() = attempts.begin(request, around, deadline);
        }
    }

    /// Has this work within the span.
    pub(super) async fn within<F: Future>(&self, sending: F) -> F::Output {
        let mut sending = pin!(sending);
        poll_fn(|cx| {
            let _within = self.lock().as_ref().and_then(CallSpan::enter);
            sending.as_mut().poll(cx)
        })
        .await
    }

    /// The answer leads elsewhere.
    pub(super) fn redirected(&self, status: StatusCode) {
        if let Some(span) = self.take() {
            span.redirected(status);
        }
    }

    /// It was refused, and is made once more.
    pub(super) fn refused(&self, why: &(dyn Error + 'static)) {
        if let Some(span) = self.take() {
            span.failed(&Chain(why));
        }
    }

    pub(super) fn take(&self) -> Option<CallSpan> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<CallSpan>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error, and what it came from. Without addresses: reqwest's errors have that of the request, with a query that may
/// be a secret.
pub(super) struct Chain<'a>(pub(super) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut next, mut separator) = (Some(self.0), "");
        while let Some(error) = next {
            let told = error.to_string();
            // It is the last that an error says; one that is wrapped says it too.
            let told = told.split_once(" for url (").map_or(&*told, |(told, _)| told);
            write!(f, "{separator}{told}")?;
            (next, separator) = (error.source(), ": ");
        }
        Ok(())
    }
}

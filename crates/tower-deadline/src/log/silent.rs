//! What is told in the log without the feature `tracing`: nothing.

use std::panic::Location;

use http_deadline::{Cause, Deadline, Journey, PolicyName, Refusal};

use crate::Answers;
use crate::account::{Came, Extra, Stop};
use crate::guard::LostDeadline;
use crate::local_limit::Effect;

/// The name of this hop, where somebody listens who may want to be told of its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hop;

impl Hop {
    pub(crate) fn of(_: &Answers) -> Self {
        Self
    }
}

pub(crate) fn refused(_: &Came<'_>, _: &Refusal, _: Option<&Extra>) {}

pub(crate) fn stopped(_: &Hop, _: Option<&Journey>, _: Stop<'_>, _: Option<&Extra>) {}

pub(crate) fn missing(_: Option<PolicyName>, _: &Location<'_>, _: bool) {}

pub(crate) fn lost(_: LostDeadline, _: &Location<'_>) {}

pub(crate) fn local_limit(_: Effect, _: Deadline, _: Deadline) {}

pub(crate) fn cancelled_too_late(_: Cause, _: &Location<'_>) {}

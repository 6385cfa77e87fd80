//! Spans without the feature `tracing`: none.

use http::{Request, Response};
use http_deadline::{Cause, Deadline, Exceeded, Journey, Policy, Stage};

use crate::policies::Head;
use crate::{BodyError, PropagateError, WatchedBody};

/// The span of a request. There is none.
#[derive(Debug)]
pub(crate) enum RequestSpan {}

/// The span of an outgoing call. There is none.
#[derive(Debug)]
pub(crate) enum CallSpan {}

/// A span that is entered. None is.
pub(crate) type Within = std::convert::Infallible;

/// Writes nothing: a `traceparent` passes as it came.
#[inline]
pub(crate) fn write_current(_: &mut http::HeaderMap) {}

impl RequestSpan {
    #[inline]
    pub(crate) fn open(_: Head<'_>, _: &Policy, _: Option<Deadline>) -> Option<Self> {
        None
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<Within> {
        match *self {}
    }

    pub(crate) fn entered(&self, _: Stage) {
        match *self {}
    }

    pub(crate) fn left(&self, _: Stage) {
        match *self {}
    }

    pub(crate) fn stopped(&self, _: Stage, _: Cause) {
        match *self {}
    }

    pub(crate) fn answered<B>(&self, _: &mut Response<B>) {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }
}

impl CallSpan {
    #[inline]
    pub(crate) fn open<B>(_: &mut Request<B>, _: Option<&Journey>, _: Option<Deadline>) -> Option<Self> {
        None
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<Within> {
        match *self {}
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn redirected(self, _: http::StatusCode) {
        match self {}
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn answered<B>(self, _: &mut Response<WatchedBody<B>>) {
        match self {}
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn held(self, _: &PropagateError) {
        match self {}
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn failed(self, _: &dyn std::fmt::Display) {
        match self {}
    }

    pub(crate) fn came_to<B>(self, _: &mut Result<Response<WatchedBody<B>>, PropagateError>) {
        match self {}
    }

    pub(crate) fn stopped(self, _: &Exceeded) {
        match self {}
    }

    pub(crate) fn broken(self, _: &BodyError) {
        match self {}
    }

    pub(crate) fn ended(self) {
        match self {}
    }
}

/// The spans of a call that makes its attempts itself. There are none.
#[cfg(feature = "reqwest")]
#[derive(Debug)]
pub(crate) enum Attempts {}

#[cfg(feature = "reqwest")]
impl Attempts {
    pub(crate) fn of(_: &Journey) -> Option<std::sync::Arc<Self>> {
        None
    }

    pub(crate) fn begin(
        &self,
        _: &mut ::reqwest::Request,
        _: Option<&Journey>,
        _: Option<Deadline>,
    ) -> Option<CallSpan> {
        match *self {}
    }
}

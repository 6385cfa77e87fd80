//! How a request was answered.

use std::error::Error;

use http::Response;
use tower_deadline::AnswerDetail;

use super::tell;

/// Tells of an answer, and of what it says where it was made here.
pub(super) fn answered<B>(response: &Response<B>) {
    let status = response.status().as_u16();
    match response.extensions().get::<AnswerDetail>() {
        Some(detail) => tell!("answer: {status}: {detail}"),
        None => tell!("answer: {status}"),
    }
}

/// Tells of a request that has no answer.
pub(super) fn failed(error: &dyn Error) {
    tell!("answer: none: {error}");
}

/// Tells of a client that has not waited.
pub(super) fn left() {
    tell!("answer: none: the client left");
}

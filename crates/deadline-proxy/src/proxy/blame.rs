//! Whose failure it was, and what the client is told of it.
//!
//! Covers the status of what did not come to an answer. What an operator needs to know beside that (which address,
//! which certificate) goes to the log, not to the client.

use std::error::Error;
use std::iter::successors;

use http::StatusCode;
use tower_deadline::{BodyError, PropagateError};

use crate::limits::TooSlow;
use crate::upstream::{Broke, SendError};

/// An error, with its causes.
pub(super) type Chain = dyn Error + 'static;

/// The status that stands for a failure, and what is said of it.
pub(super) fn blame(error: &Chain) -> (StatusCode, &'static str) {
    if let Some(last) = error.downcast_ref::<PropagateError>().and_then(Error::source) {
        return blame(last);
    }
    let bad_gateway = |detail| (StatusCode::BAD_GATEWAY, detail);
    match error.downcast_ref::<SendError<PropagateError>>() {
        Some(SendError::Full { .. }) => (StatusCode::SERVICE_UNAVAILABLE, "every connection to the upstream is in use"),
        Some(SendError::Resolve { .. } | SendError::NoEndpoint { .. }) => {
            bad_gateway("upstream cannot be reached: its name has no address")
        }
        Some(SendError::ConnectTimeout { .. }) => bad_gateway("upstream cannot be reached in time"),
        Some(SendError::Tls { .. }) => bad_gateway("upstream cannot be reached: TLS with it failed"),
        Some(SendError::Connect { .. }) => bad_gateway("upstream cannot be reached"),
        _ => broken_exchange(error),
    }
}

/// Of an exchange that had begun.
fn broken_exchange(error: &Chain) -> (StatusCode, &'static str) {
    let chain = || successors(Some(error), |error| (*error).source());
    if chain().any(|error| error.is::<TooSlow>()) {
        return (StatusCode::REQUEST_TIMEOUT, "the request body came too slowly");
    }
    if chain().any(|error| error.is::<BodyError>()) {
        return (StatusCode::BAD_REQUEST, "the request body broke off or is malformed");
    }
    if chain().filter_map(|error| error.downcast_ref()).any(Broke::is_parse) {
        return (StatusCode::BAD_GATEWAY, "upstream answered with what is not HTTP, or too much of it");
    }
    (StatusCode::BAD_GATEWAY, "upstream broke off before its answer")
}

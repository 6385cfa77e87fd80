//! What an attempt came to, as far as it matters for the next one.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use tower_deadline::{Exceeded, PropagateError};

use super::Outcome;
use super::limit::Late;
use crate::upstream::SendError;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// `None` where no other attempt could do better: it was answered, the deadline of the request has passed, or the
    /// client's own part of it failed.
    pub(super) outcome: Option<Outcome>,
    /// Whether the upstream may have begun to do what it was asked.
    pub(super) is_sent: bool,
    /// Whether it broke off on a connection that had been kept, which says little of the upstream.
    pub(super) is_kept: bool,
    /// How long the upstream asks to be left alone.
    pub(super) after: Option<Duration>,
}

impl Came {
    const FINAL: Self = Self { outcome: None, is_sent: true, is_kept: false, after: None };

    fn sent(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::FINAL }
    }

    fn unsent(outcome: Outcome) -> Self {
        Self { is_sent: false, ..Self::sent(outcome) }
    }

    /// `is_limited`: whether the upstream was told the limit of the attempt, for the request has more left.
    pub(super) fn of<B>(result: &Result<Response<B>, PropagateError>, is_limited: bool) -> Self {
        match result {
            // R23: the deadline of the request is nobody's failure.
            Ok(response) if response.extensions().get::<Exceeded>().is_some() => {
                if is_limited {
                    Self::sent(Outcome::Timeout)
                } else {
                    Self::FINAL
                }
            }
            Ok(response) => Self::answered(response.status(), response.headers()),
            Err(PropagateError::Inner(error)) => match Late::find(&**error) {
                Some(late) => Self { is_sent: late.is_written, ..Self::sent(Outcome::Timeout) },
                None => Self::failed(&**error),
            },
            Err(_) => Self::FINAL,
        }
    }

    fn answered(status: StatusCode, headers: &HeaderMap) -> Self {
        if !status.is_client_error() && !status.is_server_error() {
            return Self::FINAL;
        }
        let waits = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let after = if waits { headers.get(RETRY_AFTER).map(|value| seconds(value.as_bytes())) } else { None };
        Self { after, ..Self::sent(Outcome::Status(status)) }
    }

    fn failed(error: &(dyn Error + 'static)) -> Self {
        match error.downcast_ref::<SendError<PropagateError>>() {
            Some(error) if error.is_connect() || matches!(error, SendError::Full { .. }) => {
                Self::unsent(Outcome::Connect)
            }
            Some(SendError::Exchange { source, .. }) if source.is_user() => Self::FINAL,
            Some(SendError::Exchange { source, .. }) if is_refused(source) => Self::unsent(Outcome::Broken),
            Some(SendError::Exchange { source, is_kept, .. }) => {
                Self { is_kept: *is_kept && !source.is_parse(), ..Self::sent(Outcome::Broken) }
            }
            _ => Self::FINAL,
        }
    }
}

/// RFC 9113 §8.7: the stream was refused, or the connection was being closed before the upstream looked at it.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut causes = successors(Some(error), |error| (*error).source());
    causes.find_map(|error| error.downcast_ref::<h2::Error>()).is_some_and(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}

/// A date is further away than anybody waits.
fn seconds(value: &[u8]) -> Duration {
    let digits = value.iter().all(u8::is_ascii_digit);
    let seconds = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    seconds.map_or(Duration::MAX, Duration::from_secs)
}

impl Outcome {
    /// Whether this is one of those.
    pub(super) fn covers(self, came: Self) -> bool {
        match (self, came) {
            (Self::Any, _) => true,
            (Self::Class(class), Self::Status(status)) => status.as_u16() / 100 == class,
            (this, came) => this == came,
        }
    }
}

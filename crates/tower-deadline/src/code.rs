//! The codes that gRPC, gRPC-Web and Connect have in common.
//!
//! Covers those that the layers answer with, by the cause of an end or by the status of an answer, and the two ways to
//! write them: a number, and the word of the Connect protocol.

use http::StatusCode;
use http_deadline::Cause;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Cancelled = 1,
    Unknown = 2,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

impl Code {
    pub(crate) fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::Deadline => Self::DeadlineExceeded,
            Cause::Shutdown => Self::Unavailable,
            _ => Self::Cancelled,
        }
    }

    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::Internal,
            // gRPC's own table reads a 404 so: no service of this name is here.
            StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => Self::Unimplemented,
            StatusCode::BAD_GATEWAY => Self::Unavailable,
            StatusCode::SERVICE_UNAVAILABLE => Self::ResourceExhausted,
            _ => Self::Unknown,
        }
    }

    /// As the Connect protocol writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "canceled",
            Self::Unknown => "unknown",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

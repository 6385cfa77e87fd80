//! The words of an error: what stopped a statement, what became of it, and what a driver's error means.

use std::fmt;

/// What stopped a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The server itself, at the time that it was told.
    ServerTimer,
    /// A cancel that we sent.
    CancelRequest,
    /// There was nothing left, or no connection: it was not sent.
    NotSent,
    /// Nothing yet: the answer was not waited for, and the statement is being stopped.
    Pending,
    /// Nothing: the connection was closed, and the server notices that when it looks.
    Discarded,
}

/// What became of the effects of a statement or a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It did not begin.
    NotStarted,
    /// The server said that it failed: it left nothing behind.
    RolledBack,
    /// Nobody saw the server's answer, or not all of it. It may be done or not, and is never to be tried again as it is.
    Unknown,
}

/// What a driver's error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Somebody had the statement stopped, or its time was up: `SQLSTATE` 57014. Whether it was for our deadline is
    /// not for the driver to say.
    Cancelled,
    /// The transaction had failed before: 25P02.
    Aborted,
    /// The connection is gone.
    Closed,
    /// It may succeed a moment later: a deadlock, a serialization failure, a server that is full or restarts.
    Transient,
    /// Anything else.
    Other,
}

impl Verdict {
    /// What a `SQLSTATE` of PostgreSQL means, whatever the language of its message
    /// (PostgreSQL, appendix A, "PostgreSQL Error Codes").
    #[must_use]
    pub fn of_sqlstate(code: &str) -> Self {
        match code {
            "57014" => Self::Cancelled,
            "25P02" => Self::Aborted,
            // The session was ended: by an operator, a crash, the server's end, a limit on idleness.
            "57P01" | "57P02" | "57P05" | "25P03" | "25P04" => Self::Closed,
            "40001" | "40P01" | "53300" | "55P03" | "57P03" => Self::Transient,
            code if code.starts_with("08") => Self::Closed,
            _ => Self::Other,
        }
    }
}

impl Stopped {
    /// The word for it, as it stands in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerTimer => "server_timer",
            Self::CancelRequest => "cancel_request",
            Self::NotSent => "not_sent",
            Self::Pending => "pending",
            Self::Discarded => "discarded",
        }
    }
}

impl Outcome {
    /// The word for it, as it stands in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::RolledBack => "rolled_back",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

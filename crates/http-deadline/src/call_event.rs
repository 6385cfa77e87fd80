//! How far an outgoing attempt has come.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What happens in one outgoing attempt, in about this order. An attempt on a connection that was kept begins with
/// [`Connected`](Self::Connected); one that is stopped ends anywhere.
///
/// [`Journey::tell`](crate::Journey::tell) tells it to whoever [listens](crate::Listener).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum CallEvent<'a> {
    /// A name is asked for.
    ResolveStart {
        /// The name.
        name: &'a str,
    },
    /// Its addresses are there, or there are none.
    ResolveEnd {
        /// Why there are none.
        error: Option<&'a (dyn Error + 'static)>,
    },
    /// A connection is being made.
    ConnectStart {
        /// Where to: a socket address, or the path of a Unix socket.
        address: fmt::Arguments<'a>,
    },
    /// It is made, without TLS so far, or it is not.
    ConnectEnd {
        /// Why it is not.
        error: Option<&'a (dyn Error + 'static)>,
    },
    /// TLS begins.
    TlsStart,
    /// TLS is agreed on, or it is not.
    TlsEnd {
        /// Why it is not.
        error: Option<&'a (dyn Error + 'static)>,
    },
    /// There is a connection to send on.
    Connected {
        /// Whether it was made for another attempt, before this one or meanwhile.
        reused: bool,
        /// For how long nobody had used it, where that is known.
        idle: Option<Duration>,
    },
    /// All of the request was handed to the connection, its body included.
    RequestWritten,
    /// The head of the answer has come.
    FirstByte,
    /// The answer is whole.
    LastByte,
}

impl CallEvent<'_> {
    /// The word for it, as it stands in traces.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ResolveStart { .. } => "resolve_start",
            Self::ResolveEnd { .. } => "resolve_end",
            Self::ConnectStart { .. } => "connect_start",
            Self::ConnectEnd { .. } => "connect_end",
            Self::TlsStart => "tls_start",
            Self::TlsEnd { .. } => "tls_end",
            Self::Connected { .. } => "connected",
            Self::RequestWritten => "request_written",
            Self::FirstByte => "first_byte",
            Self::LastByte => "last_byte",
        }
    }

    /// Why this step failed, if it did.
    #[must_use]
    pub const fn error(&self) -> Option<&(dyn Error + 'static)> {
        match *self {
            Self::ResolveEnd { error } | Self::ConnectEnd { error } | Self::TlsEnd { error } => error,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_failed_tells_why_and_no_other_does() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let failed = CallEvent::ConnectEnd { error: Some(&refused) };
        assert_eq!(failed.error().map(ToString::to_string), Some("connection refused".to_owned()));
        assert_eq!((failed.as_str(), CallEvent::TlsStart.error().is_none()), ("connect_end", true));
    }
}

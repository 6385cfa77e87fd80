//! Limits that can be kept, and those of them that hyper keeps.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;

use super::settings::HEAD_COUNT;
use super::{Error, Settings};

/// Streams that a client may reset before we have looked at them. h2's own number, held here because a rapid reset
/// (CVE-2023-44487) hangs on it: at one more, the connection is ended.
const PENDING_RESETS: usize = 20;

/// Streams that a client may make us reset by what it sends, in the life of a connection; a rapid reset by other means
/// (CVE-2025-8671) hangs on it. hyper's own number.
const LOCAL_RESETS: usize = 1_024;

/// What one stream may hold of an answer that is not read. hyper's own number is six times this, which with 128
/// streams is 50 MB for one connection with shut windows.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a client over HTTP/2 may take to say that it is still there.
const PONG_LIMIT: Duration = Duration::from_secs(20);

/// Whether clients over HTTP/2 are told that they may open tunnels by extended CONNECT (RFC 8441).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedConnect {
    /// They are told nothing, and may not.
    Off,
    /// They are.
    Offered,
}

/// Settings that can be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits(Settings);

impl Limits {
    /// Limits as they are set.
    ///
    /// # Errors
    ///
    /// The one that cannot be kept, and what is expected.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        Ok(Self(settings))
    }

    /// As they were set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0
    }

    /// Tells hyper's server what it has to keep: heads, streams, resets, and whether the peer is still there.
    pub fn configure<E>(&self, builder: &mut Builder<E>, connect: ExtendedConnect) {
        let Settings { head_count, head_bytes, head_limit, streams, .. } = self.0;
        let mut http1 = builder.http1();
        http1.timer(TokioTimer::new()).header_read_timeout(head_limit).max_buf_size(head_bytes);
        if head_count != HEAD_COUNT {
            http1.max_headers(head_count);
        }
        let mut http2 = builder.http2();
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(head_limit)
            .keep_alive_timeout(PONG_LIMIT)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(streams)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS)
            .max_send_buf_size(SEND_BUFFER);
        if connect == ExtendedConnect::Offered {
            http2.enable_connect_protocol();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    #[test]
    fn the_defaults_can_be_kept() {
        assert_eq!(Limits::new(Settings::default()), Ok(Limits::default()));
    }

    #[test]
    fn what_cannot_be_kept_is_named_with_what_is_expected() {
        let base = Settings::default;
        let rate = |bytes, grace| Some(Rate { bytes, grace });
        for (settings, told) in [
            (Settings { head_count: 0, ..base() }, "limits.head_count: 0 cannot be kept; 1 to 65535 is expected"),
            (Settings { head_bytes: 8_191, ..base() }, "limits.head_bytes: 8191 cannot be kept; 8192 to 1073741824"),
            (Settings { connections: 0, ..base() }, "limits.connections: 0 "),
            (Settings { streams: 0, ..base() }, "limits.streams: 0 "),
            (Settings { in_flight: Some(0), ..base() }, "limits.in_flight: 0 "),
            (Settings { body_rate: rate(0, Duration::from_secs(1)), ..base() }, "limits.body_rate.bytes: 0 "),
            (
                Settings { body_rate: rate(1, Duration::ZERO), ..base() },
                "limits.body_rate.grace: 0ns cannot be kept; more than nothing is expected",
            ),
            (Settings { head_limit: Duration::ZERO, ..base() }, "limits.head_limit: 0ns "),
            (Settings { started_head_limit: Duration::ZERO, ..base() }, "limits.started_head_limit: 0ns "),
            (Settings { write_stall: Duration::ZERO, ..base() }, "limits.write_stall: 0ns "),
        ] {
            let error = Limits::new(settings).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn the_least_can_be_kept() {
        let least = Settings { head_bytes: 8_192, head_count: 1, connections: 1, streams: 1, ..Settings::default() };
        let limits = Limits::new(least).unwrap();
        limits.configure(&mut Builder::new(hyper_util::rt::TokioExecutor::new()), ExtendedConnect::Offered);
    }
}

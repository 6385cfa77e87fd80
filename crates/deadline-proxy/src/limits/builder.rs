//! Limits that can be kept, and those of them that hyper keeps.

use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::settings::HEAD_COUNT;
use super::{Error, Settings};

/// Streams that a client may reset before we have looked at them. h2's own number, held here because a rapid reset
/// (CVE-2023-44487) hangs on it: at one more, the connection is ended.
const PENDING_RESETS: usize = 20;

/// Streams that a client may make us reset by what it sends, in the life of a connection; a rapid reset by other means
/// (CVE-2025-8671) hangs on it. hyper's own number.
const LOCAL_RESETS: usize = 1_024;

/// What one stream may hold of an answer that is not read. hyper's own number is six times this, with which a client
/// that opens its windows and reads nothing made the proxy hold 68 MB over one connection of a hundred streams; so it
/// is 22 MB, half of which is the upstreams' side.
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

    /// hyper's server of HTTP/1.1, told what it has to keep: heads. The time between two of them the stream keeps.
    #[must_use]
    pub fn http1(&self) -> http1::Builder {
        let Settings { head_count, head_bytes, .. } = self.0;
        let mut builder = http1::Builder::new();
        builder.header_read_timeout(None).max_buf_size(head_bytes);
        if head_count != HEAD_COUNT {
            builder.max_headers(head_count);
        }
        builder
    }

    /// hyper's server of HTTP/2, told what it has to keep: heads, streams, resets, and whether the peer is still there.
    #[must_use]
    pub fn http2(&self, connect: ExtendedConnect) -> http2::Builder<TokioExecutor> {
        let Settings { head_bytes, head_limit, streams, .. } = self.0;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(head_limit)
            .keep_alive_timeout(PONG_LIMIT)
            .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(streams)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(LOCAL_RESETS)
            .max_send_buf_size(SEND_BUFFER);
        if connect == ExtendedConnect::Offered {
            builder.enable_connect_protocol();
        }
        builder
    }
}

#[cfg(test)]
mod tests;

//! How much is taken on.

use std::time::Duration;

use clap::Args;

use super::value::{OrOff, count, limit};
use crate::limits::{self, Rate};

/// How much is taken on, beside the deadline.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// The most fields of a request head.
    #[arg(long, value_name = "N", value_parser = count)]
    pub max_headers: Option<usize>,

    /// The most bytes of a request head.
    #[arg(long, value_name = "N", value_parser = count)]
    pub max_header_bytes: Option<usize>,

    /// How long a connection may stay without a request.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub idle_timeout: Option<Duration>,

    /// How long a request head may take once it has begun, and a TLS handshake.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub head_timeout: Option<Duration>,

    /// How long a client may take nothing of its answer.
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    pub write_timeout: Option<Duration>,

    /// The fewest bytes a second of a request body, after a grace; `off` for no floor.
    #[arg(long, value_name = "N|off", value_parser = rate)]
    pub min_body_rate: Option<OrOff<u32>>,

    /// The most connections of clients at a time.
    #[arg(long, value_name = "N", value_parser = count)]
    pub max_connections: Option<usize>,

    /// The most requests at a time on one HTTP/2 connection.
    #[arg(long, value_name = "N", value_parser = streams)]
    pub max_streams: Option<u32>,

    /// The most requests at a time; the next one is answered with 503.
    #[arg(long, value_name = "N", value_parser = count)]
    pub max_in_flight: Option<usize>,

    /// How long a stop waits for what is under way.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "30s")]
    pub drain_timeout: Duration,
}

impl LimitArgs {
    /// What a client may take; what was not given has its default.
    #[must_use]
    pub fn settings(&self) -> limits::Settings {
        let base = limits::Settings::default();
        limits::Settings {
            head_count: self.max_headers.unwrap_or(base.head_count),
            head_bytes: self.max_header_bytes.unwrap_or(base.head_bytes),
            head_limit: self.idle_timeout.unwrap_or(base.head_limit),
            started_head_limit: self.head_timeout.unwrap_or(base.started_head_limit),
            body_rate: self.body_rate(base.body_rate),
            connections: self.max_connections.unwrap_or(base.connections),
            streams: self.max_streams.unwrap_or(base.streams),
            in_flight: self.max_in_flight,
            write_stall: self.write_timeout.unwrap_or(base.write_stall),
        }
    }

    fn body_rate(&self, base: Option<Rate>) -> Option<Rate> {
        match self.min_body_rate {
            Some(OrOff(bytes)) => bytes.map(|bytes| Rate { bytes, ..Rate::default() }),
            None => base,
        }
    }
}

fn rate(text: &str) -> Result<OrOff<u32>, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes > 0);
    match (text, bytes) {
        ("off", _) => Ok(OrOff(None)),
        (_, Some(bytes)) => Ok(OrOff(Some(bytes))),
        (_, None) => Err("a number of bytes above zero, or `off`, is expected".to_owned()),
    }
}

fn streams(text: &str) -> Result<u32, String> {
    let streams = count(text).ok().and_then(|streams| u32::try_from(streams).ok());
    streams.ok_or_else(|| "a whole number above zero is expected".to_owned())
}

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
    #[arg(long, value_name = "N", value_parser = count, default_value = "100")]
    pub max_headers: usize,

    /// The most bytes of a request head.
    #[arg(long, value_name = "N", value_parser = count, default_value = "65536")]
    pub max_header_bytes: usize,

    /// How long a connection may stay without a request.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "75s")]
    pub idle_timeout: Duration,

    /// How long a request head may take once it has begun, and a TLS handshake.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "10s")]
    pub head_timeout: Duration,

    /// How long a client may take nothing of its answer. A shut window of HTTP/2 counts from the deadline only.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "30s")]
    pub write_timeout: Duration,

    /// The fewest bytes a second of a request body, after 20 s of grace; `off`: as slow as its deadline lets it be.
    #[arg(long, value_name = "N|off", value_parser = rate, default_value = "240")]
    pub min_body_rate: OrOff<u32>,

    /// The most connections of clients at a time.
    #[arg(long, value_name = "N", value_parser = count, default_value = "16384")]
    pub max_connections: usize,

    /// The most requests at a time on one HTTP/2 connection.
    #[arg(long, value_name = "N", value_parser = streams, default_value = "128")]
    pub max_streams: u32,

    /// The most requests at a time; the next one is answered with 503. [default: as many as come]
    #[arg(long, value_name = "N", value_parser = count)]
    pub max_in_flight: Option<usize>,

    /// How long a stop waits for what is under way, before it cuts that off.
    #[arg(long, value_name = "DURATION", value_parser = limit, default_value = "30s")]
    pub drain_timeout: Duration,
}

impl LimitArgs {
    /// What a client may take.
    #[must_use]
    pub fn settings(&self) -> limits::Settings {
        limits::Settings {
            head_count: self.max_headers,
            head_bytes: self.max_header_bytes,
            head_limit: self.idle_timeout,
            started_head_limit: self.head_timeout,
            body_rate: self.min_body_rate.0.map(|bytes| Rate { bytes, ..Rate::default() }),
            connections: self.max_connections,
            streams: self.max_streams,
            in_flight: self.max_in_flight,
            write_stall: self.write_timeout,
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

//! One connection of a client that expects anything, and tells what it got.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::tally::{CUT, Outcome};
use crate::support::{Head, SLACK};

/// Longer than any deadline that is asked for: whoever has not answered by then has forgotten.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(12);

pub(super) struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, Outcome> {
        let connected = timeout(FORGOTTEN, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| "forgotten")?.map_err(|_| "refused")?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// That it could not be sent is seen in what comes back, too.
    pub(super) async fn send(&mut self, text: &str) {
        let _ = timeout(FORGOTTEN, self.stream.write_all(text.as_bytes())).await;
    }

    /// Asks for this, in so much time; and whether the connection can be used again.
    pub(super) async fn ask(&mut self, start: &str, limit: Duration, body: &str) -> (Outcome, bool) {
        let (millis, length) = (limit.as_millis(), body.len());
        let fields = format!("host: a\r\nx-request-timeout: {millis}ms\r\ncontent-length: {length}\r\n");
        let asked = Instant::now();
        self.send(&format!("{start} HTTP/1.1\r\n{fields}\r\n{body}")).await;
        let (outcome, is_kept) = timeout(FORGOTTEN, self.answer()).await.unwrap_or(("forgotten", false));
        if asked.elapsed() > limit + SLACK && outcome != "forgotten" {
            return ("late", is_kept);
        }
        (outcome, is_kept)
    }

    async fn answer(&mut self) -> (Outcome, bool) {
        let Some(head) = self.head().await else { return (CUT, false) };
        let length = head.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let length: usize = length.unwrap_or(usize::MAX);
        while self.buffer.len() < length {
            if !self.more().await {
                // Its upstream has died, or its deadline has passed: it is not taken for whole.
                return ("broken off", false);
            }
        }
        self.buffer.drain(..length);
        let is_kept = head.headers.get("connection").is_none_or(|connection| connection != "close");
        (status(head.status()), is_kept)
    }

    async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some((head, rest)) = Head::split(&self.buffer) {
                self.buffer = rest.to_vec();
                return Some(head);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// `then` where the next head has this status, and else what it comes to.
    pub(super) async fn status(&mut self, expected: u16, then: Outcome) -> Outcome {
        match timeout(FORGOTTEN, self.head()).await {
            Ok(Some(head)) if head.status() == expected => then,
            Ok(Some(head)) => status(head.status()),
            Ok(None) => CUT,
            Err(_) => "forgotten",
        }
    }

    /// Reads on; `false` at the end, whatever kind of end it is.
    pub(super) async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// Which client it is to the proxy.
    pub(super) fn port(&self) -> u16 {
        self.stream.local_addr().map(|address| address.port()).unwrap_or_default()
    }

    /// Closes with a reset instead of a proper end.
    pub(super) fn reset(self) {
        // Unread bytes or not: the peer sees an error and no end.
        let _ = self.stream.set_zero_linger();
    }
}

pub(super) fn status(status: u16) -> Outcome {
    match status {
        200 => "200",
        502 => "502",
        504 => "504",
        _ => "another status",
    }
}

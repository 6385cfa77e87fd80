//! What a scripted upstream does with a request.

use std::future::pending;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) after: Duration,
    pub(crate) then: Then,
}

#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// These bytes, and the connection is kept.
    Answer(String),
    /// Closes the connection, as whoever has had enough of it.
    Close,
    /// Resets the connection.
    Reset,
    /// Does nothing until the peer leaves.
    Stall,
    /// Resets the connection, and is not there for so long.
    Leave(Duration),
}

/// How it ended with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Answered,
    /// By the mirror itself.
    BrokenOff,
    /// The peer left first.
    Cancelled,
}

impl Act {
    pub(crate) fn now(then: Then) -> Self {
        Self { after: Duration::ZERO, then }
    }

    /// Answers with this status, these fields (each with its line end) and this text.
    pub(crate) fn answer(status: u16, fields: &str, text: &str) -> Self {
        let length = text.len();
        Self::now(Then::Answer(format!("HTTP/1.1 {status} So\r\ncontent-length: {length}\r\n{fields}\r\n{text}")))
    }

    pub(super) async fn play(&self, stream: &mut TcpStream) -> Ended {
        let (mut reader, mut writer) = stream.split();
        let play = async {
            sleep(self.after).await;
            match &self.then {
                Then::Answer(bytes) if writer.write_all(bytes.as_bytes()).await.is_ok() => Ended::Answered,
                Then::Answer(_) => Ended::Cancelled,
                Then::Close | Then::Reset | Then::Leave(_) => Ended::BrokenOff,
                Then::Stall => pending().await,
            }
        };
        let mut byte = [0];
        tokio::select! {
            biased;
            ended = play => ended,
            // Nobody sends another request before this one is answered.
            _ = reader.read(&mut byte) => Ended::Cancelled,
        }
    }
}

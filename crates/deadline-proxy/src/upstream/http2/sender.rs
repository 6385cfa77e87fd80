//! A connection: what begins streams on it, and what sees to it that its peer is still there.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use http::Request;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::upstream::io::Io;

/// A peer that is stuck answers no ping. Servers of gRPC end a connection that is asked more often than every five
/// minutes (its proposal A8); one whose machine is gone is found out sooner, by the system.
const PING_EVERY: Duration = Duration::from_secs(310);

/// How long it has for its answer.
const PONG_LIMIT: Duration = Duration::from_secs(20);

/// How many streams are begun before the peer has said how many it allows.
const STREAMS_AT_FIRST: usize = 100;

/// The most that a peer may say in the fields of one answer, uncompressed.
const FIELDS_AT_MOST: u32 = 16 * 1024;

/// The most of one stream that waits to be written.
const UNWRITTEN_AT_MOST: usize = 1024 * 1024;

/// Errors of the peer's that are answered with a reset, before the connection is ended for them.
const OUR_RESETS: usize = 1024;

/// Streams that are known for a second after they were reset. An answer that crosses its reset is such an error where its
/// stream is not known: at a deadline, which the peer has as well, many do.
const RESETS_KNOWN: usize = 1024;

/// What has to be polled for as long as anybody has a [`Sender`].
pub(in crate::upstream) type Link = Connection<Io, Bytes>;

/// Begins streams. A clone is of the same connection, which ends with the last one and its streams.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Sender {
    send: SendRequest<Bytes>,
    heard: Heard,
}

/// How often the peer has said something on a stream. Each stream has a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicUsize>);

impl Heard {
    #[inline]
    pub(super) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether there are streams: one is of who has made the connection and keeps it, one of who asks.
    fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 2
    }
}

/// Begins a connection with windows for a stream and for all of them.
pub(in crate::upstream) async fn handshake(io: Io, (stream, all): (u32, u32)) -> Result<(Sender, Link), h2::Error> {
    let (send, link) = Builder::new()
        .initial_window_size(stream)
        .initial_connection_window_size(all)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .max_header_list_size(FIELDS_AT_MOST)
        .max_frame_size(16 * 1024)
        .max_send_buffer_size(UNWRITTEN_AT_MOST)
        .max_local_error_reset_streams(Some(OUR_RESETS))
        .max_concurrent_reset_streams(RESETS_KNOWN)
        .enable_push(false)
        .handshake(io)
        .await?;
    Ok((Sender { send, heard: Heard::default() }, link))
}

impl Sender {
    /// Whether another stream can be begun: not once the connection has ended, its peer has said goodbye, or all numbers
    /// of streams are used up.
    pub(in crate::upstream) fn check(&mut self) -> Result<(), h2::Error> {
        match self.send.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            // The stream before it waits for a place, as this one may.
            Poll::Pending => Ok(()),
        }
    }

    pub(in crate::upstream) fn begin(
        &mut self,
        head: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.send.send_request(head, is_whole)
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    /// Sees to it that the peer is still there. One that is waited for in vain is asked after one to two of the intervals.
    pub(in crate::upstream) fn watch(&self, pings: Option<PingPong>) -> Watch {
        let heard = self.heard();
        Watch(tokio::spawn(async move {
            match pings {
                Some(pings) => silence(pings, &heard).await,
                None => std::future::pending().await,
            }
        }))
    }
}

/// A task of its own, because the timer would be looked at whenever the connection has something to do.
#[derive(Debug)]
pub(in crate::upstream) struct Watch(JoinHandle<()>);

impl Watch {
    /// Ready once a ping was not answered.
    pub(in crate::upstream) fn poll_silent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ends when a ping was not answered.
async fn silence(mut pings: PingPong, heard: &Heard) {
    loop {
        let before = heard.count();
        sleep(PING_EVERY).await;
        if heard.count() == before && heard.is_awaited() {
            let pong = timeout(PONG_LIMIT, pings.ping(Ping::opaque())).await;
            if !matches!(pong, Ok(Ok(_))) {
                return;
            }
        }
    }
}

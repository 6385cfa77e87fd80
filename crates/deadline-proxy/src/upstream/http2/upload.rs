//! A body that is on its way to a stream.

use std::error::Error;
use std::future::poll_fn;
use std::iter::successors;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use tokio::task::JoinHandle;

use crate::upstream::lease::Sent;
use crate::upstream::outgoing::{BodyFault, Outgoing};

/// Why the rest of a request is not sent.
#[derive(Debug)]
pub(in crate::upstream) enum Stopped {
    /// What the client sent of it broke off.
    Body(BodyFault),
    /// The peer takes no more. What it answers, if anything, is on its way or tells why.
    Stream,
}

/// The body of a request, of which one piece waits for room in the window of its stream.
#[derive(Debug)]
pub(in crate::upstream) struct Upload<B> {
    body: Outgoing<B>,
    stream: SendStream<Bytes>,
    waiting: Option<Bytes>,
}

impl<B: Sent> Upload<B> {
    pub(in crate::upstream) fn new(body: Outgoing<B>, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, waiting: None }
    }

    /// Hands over what there is. Ready once that was all.
    pub(in crate::upstream) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        loop {
            if self.waiting.is_some() {
                ready!(self.poll_room(cx))?;
                let data = self.waiting.take().unwrap_or_default();
                self.stream.send_data(data, false).map_err(closed)?;
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                // Who waits for the client is told when the peer takes no more.
                return self.stream.poll_reset(cx).map(|_| Err(Stopped::Stream));
            };
            let data = match frame.transpose().map_err(|fault| self.fail(fault))? {
                None => Bytes::new(),
                Some(frame) => match frame.into_data() {
                    Ok(data) if self.body.is_end_stream() => data,
                    Ok(data) => {
                        self.stream.reserve_capacity(usize::from(!data.is_empty()));
                        self.waiting = Some(data);
                        continue;
                    }
                    Err(frame) => {
                        self.stream.reserve_capacity(0);
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.stream.send_trailers(trailers).map_err(closed));
                    }
                },
            };
            // Nothing follows that would have to wait, so this need not wait here.
            return Poll::Ready(self.stream.send_data(data, true).map_err(closed));
        }
    }

    /// Waits for room for some of the piece that waits; an empty one needs none.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        let needs_room = self.waiting.as_ref().is_some_and(|data| !data.is_empty());
        while needs_room && self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Stopped::Stream)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The peer is told by the code of whoever broke off, where that was by HTTP/2.
    fn fail(&mut self, fault: BodyFault) -> Stopped {
        let mut causes = successors(Some(&fault as &(dyn Error + 'static)), |error| (*error).source());
        let reason = causes.find_map(|error| error.downcast_ref::<h2::Error>()).and_then(h2::Error::reason);
        self.stream.send_reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
        Stopped::Body(fault)
    }

    /// The answer has begun: what is left of its request goes on by itself.
    pub(in crate::upstream) fn go_on(mut self) -> Rest {
        Rest(tokio::spawn(async move {
            // The answer tells, if anything has to be told.
            let _ = poll_fn(|cx| self.poll(cx)).await;
        }))
    }
}

/// What is left of a request whose answer has begun. Dropping it resets the stream.
#[derive(Debug)]
pub(in crate::upstream) struct Rest(JoinHandle<()>);

impl Rest {
    pub(super) fn is_under_way(&self) -> bool {
        !self.0.is_finished()
    }

    /// Ends with it, however that ends.
    pub(in crate::upstream) async fn ended(mut self) {
        // One that panicked has ended.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn closed(_: h2::Error) -> Stopped {
    Stopped::Stream
}

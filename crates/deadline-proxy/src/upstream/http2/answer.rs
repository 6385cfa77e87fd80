//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::sender::{Heard, Sender};
use super::upload::Rest;

/// The body of an answer. What is left of its request ends with it, unless that was taken.
#[derive(Debug)]
pub(in crate::upstream) struct Answer {
    stream: RecvStream,
    heard: Heard,
    /// Bytes that are to come, where the answer says so.
    left: Option<u64>,
    /// Only trailers are to come, if anything.
    is_read: bool,
    is_ended: bool,
    rest: Option<Rest>,
}

impl Answer {
    /// That of a head with these fields. `rest` writes what is left of the request.
    pub(in crate::upstream) fn new(
        sender: &Sender,
        fields: &HeaderMap,
        stream: RecvStream,
        rest: Option<Rest>,
    ) -> Self {
        let (heard, is_ended) = (sender.heard(), stream.is_end_stream());
        heard.note();
        let left = length(fields).or(is_ended.then_some(0));
        Self { stream, heard, left, is_read: false, is_ended, rest }
    }

    /// What is left of the request, if anything.
    pub(in crate::upstream) fn take_rest(&mut self) -> Option<Rest> {
        self.rest.take().filter(Rest::is_under_way)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        if !self.is_read {
            if let Some(data) = ready!(self.stream.poll_data(cx)).transpose()? {
                self.heard.note();
                // Fails where the stream is no more, and needs no room.
                let _ = self.stream.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                self.is_ended = self.stream.is_end_stream();
                return Poll::Ready(Ok(Some(Frame::data(data))));
            }
            self.is_read = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx))?;
        self.is_ended = true;
        Poll::Ready(Ok(trailers.map(Frame::trailers)))
    }
}

impl Body for Answer {
    type Data = Bytes;
    /// R34: also where the peer resets the stream with NO_ERROR before its end.
    type Error = h2::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        self.poll(cx).map(Result::transpose)
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What every line of the field says; h2 has seen to it that the body is as long as the first of them says.
fn length(fields: &HeaderMap) -> Option<u64> {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter();
    let first = digits(lines.next()?.as_bytes())?;
    lines.all(|line| digits(line.as_bytes()) == Some(first)).then_some(first)
}

/// Unlike `parse` of the standard library, takes no sign.
fn digits(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit))?;
    text.parse().ok()
}

//! A connection: one exchange after the other.

use std::io;
use std::mem::take;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::decode::{Decoder, Piece};
use super::encode::{self, Framing};
use super::error::Error;
use super::head::{self, Head};
use super::link::{Link, poll_write};
use super::spare;
use super::switched::Switched;
use super::upload::{Out, Stopped, Upload};
use crate::upstream::io::Io;
use crate::upstream::lease::Sent;
use crate::upstream::outgoing::{BodyFault, Outgoing};

/// The least and the most that are made room for at once.
const READ: usize = 4 * 1024;
const READ_AT_MOST: usize = 256 * 1024;

/// How many interim answers are read before others have their turn: one read may bring thousands.
const INTERIMS: usize = 64;

/// What a connection that is not used may keep of its room to write.
const KEPT: usize = 1024;

/// A connection to a peer that speaks HTTP/1.1. It has buffers while it is used, and none between.
#[derive(Debug)]
pub(in crate::upstream) struct Conn {
    link: Link,
    read: BytesMut,
    /// How much of it was looked at in vain.
    seen: usize,
    /// How much is read at once where nobody knows what is to come.
    room: usize,
    /// The most room that there was at once since nobody used it.
    most: usize,
    out: Out,
    /// Bytes of the request so far.
    written: u64,
    /// The peer takes no more of the request.
    refused: Option<io::Error>,
    /// Of the request.
    method: Method,
    /// Of the answer.
    body: Decoder,
    /// Whether another exchange may follow this one.
    is_kept: bool,
}

/// Why there is no head.
#[derive(Debug)]
pub(in crate::upstream) enum Broke {
    /// Nothing of the request was written.
    Unsent(io::Error),
    /// What the client sent of it broke off.
    Body(BodyFault),
    Sent(Error),
}

impl Conn {
    pub(in crate::upstream) fn new(io: Io) -> Self {
        Self {
            link: Link::Whole(io),
            read: BytesMut::new(),
            seen: 0,
            room: READ,
            most: 0,
            out: Out::default(),
            written: 0,
            refused: None,
            method: Method::GET,
            body: Decoder::none(),
            is_kept: true,
        }
    }

    /// Whether it is closed, or the peer has said something unasked, which comes to the same.
    pub(in crate::upstream) fn is_stale(&mut self) -> bool {
        !self.read.is_empty() || self.link.is_readable()
    }

    /// Closes one that is not used.
    pub(in crate::upstream) fn close(self) {
        self.link.close();
    }

    /// Makes ready to send the head of a request, and tells how its body is framed; `None` where there is none.
    pub(in crate::upstream) fn begin<B: Body>(&mut self, request: &Request<B>) -> Option<Begun> {
        (self.written, self.refused, self.is_kept) = (0, None, true);
        self.method.clone_from(request.method());
        let framing = Framing::of(request.headers(), request.body());
        encode::head(&mut self.out.bytes, request.method(), request.uri(), request.headers(), &framing);
        (!matches!(framing, Framing::None)).then_some(Begun(framing))
    }

    /// Whether all that was begun without a body was written.
    pub(in crate::upstream) fn is_written(&self) -> bool {
        self.out.rest().is_empty() && self.refused.is_none()
    }

    /// Writes the request, and waits for the head of its answer. What is left of the `upload` then is to be handed to
    /// [`go_on`](Self::go_on).
    pub(in crate::upstream) fn poll_head<B: Sent>(
        &mut self,
        cx: &mut Context<'_>,
        upload: &mut Option<Upload<B>>,
        interim: fn(StatusCode),
    ) -> Poll<Result<Response<()>, Broke>> {
        if self.refused.is_none() {
            match self.poll_write(cx, upload.as_mut()) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => *upload = None,
                Poll::Ready(Err(Stopped::Body(fault))) => return Poll::Ready(Err(Broke::Body(fault))),
                Poll::Ready(Err(Stopped::Write(error))) if self.written == 0 => {
                    return Poll::Ready(Err(Broke::Unsent(error)));
                }
                // What it has answered may be on its way.
                Poll::Ready(Err(Stopped::Write(error))) => (self.refused, *upload) = (Some(error), None),
            }
        }
        let mut interims = 0;
        loop {
            match self.take_head().map_err(Broke::Sent)? {
                Some(head) if is_interim(head.status) => {
                    interim(head.status);
                    interims += 1;
                    if interims == INTERIMS {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Some(head) => return Poll::Ready(Ok(self.start(head))),
                None => match ready!(self.poll_fill(cx, None)) {
                    // Its first piece is waited for, and nothing of it is lost.
                    Ok(0) if self.written == 0 => {
                        return Poll::Ready(Err(Broke::Unsent(io::ErrorKind::UnexpectedEof.into())));
                    }
                    Err(error) if self.written == 0 => return Poll::Ready(Err(Broke::Unsent(error))),
                    // R35: nobody has asked yet, and it would be taken for the answer.
                    Ok(_) if self.written == 0 => {
                        return Poll::Ready(Err(Broke::Unsent(io::ErrorKind::InvalidData.into())));
                    }
                    Ok(0) => return Poll::Ready(Err(Broke::Sent(self.broken(None)))),
                    Ok(_) => {}
                    Err(error) => return Poll::Ready(Err(Broke::Sent(self.broken(Some(error))))),
                },
            }
        }
    }

    fn poll_write<B: Sent>(
        &mut self,
        cx: &mut Context<'_>,
        upload: Option<&mut Upload<B>>,
    ) -> Poll<Result<(), Stopped>> {
        let Some(io) = self.link.writer() else { return Poll::Ready(Ok(())) };
        match upload {
            Some(upload) => upload.poll(cx, io, &mut self.out, &mut self.written),
            // Flushed each time: TLS has taken bytes that have not left.
            None => poll_write(io, cx, &mut self.out, &mut self.written).map_err(Stopped::Write),
        }
    }

    fn take_head(&mut self) -> Result<Option<Head>, Error> {
        if self.read.is_empty() { Ok(None) } else { head::take(&mut self.read, &mut self.seen, &self.method) }
    }

    /// There is nothing more to read.
    fn broken(&mut self, error: Option<io::Error>) -> Error {
        self.is_kept = false;
        if let Some(error) = self.refused.take() {
            return Error::Write(error);
        }
        // What was not looked at again may not be HTTP anyway.
        self.seen = 0;
        match (self.take_head(), error) {
            (Err(error), _) => error,
            (Ok(_), Some(error)) => Error::Read(error),
            (Ok(_), None) => Error::Incomplete,
        }
    }

    fn start(&mut self, head: Head) -> Response<()> {
        let Head { status, version, fields, reason, is_kept, body } = head;
        (self.body, self.is_kept) = (body, is_kept && self.refused.is_none());
        let mut response = Response::new(());
        (*response.status_mut(), *response.version_mut(), *response.headers_mut()) = (status, version, fields);
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        response
    }

    /// The answer has begun: what is left of its request goes on by itself.
    pub(in crate::upstream) fn go_on<B: Sent>(&mut self, upload: Upload<B>) {
        self.link.lend(upload, take(&mut self.out));
    }

    /// The next piece of the body of the answer.
    pub(in crate::upstream) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            match self.body.next(&mut self.read)? {
                Piece::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Piece::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Piece::End => return Poll::Ready(None),
                Piece::More => {}
            }
            if ready!(self.poll_fill(cx, self.body.wanted())).map_err(Error::Read)? == 0 {
                self.is_kept = false;
                self.body.close()?;
                return Poll::Ready(None);
            }
        }
    }

    pub(in crate::upstream) fn is_ended(&self) -> bool {
        self.body.is_ended()
    }

    pub(in crate::upstream) fn hint(&self) -> SizeHint {
        self.body.hint()
    }

    /// Reads what there is: as much as is `known` to come, or else as much as came the last time.
    fn poll_fill(&mut self, cx: &mut Context<'_>, known: Option<u64>) -> Poll<io::Result<usize>> {
        let room = match known {
            Some(known) => usize::try_from(known).unwrap_or(READ_AT_MOST).min(READ_AT_MOST),
            None => self.room,
        };
        // What comes in small pieces goes into the room that was made once, until little of it is left.
        if self.read.capacity() - self.read.len() < room.min(READ.max(room / 4)) {
            if self.most == 0 {
                self.read = spare::room_to_read();
            }
            self.read.reserve(room);
            self.most = self.most.max(self.read.capacity());
        }
        let count = ready!(self.link.poll_read(cx, &mut self.read))?;
        if known.is_none() && count >= self.room {
            self.room = READ_AT_MOST.min(2 * self.room);
        } else if known.is_none() && 4 * count < self.room {
            self.room = READ.max(self.room / 2);
        }
        Poll::Ready(Ok(count))
    }

    /// Whether another exchange can follow, once the rest of the request was written.
    pub(in crate::upstream) fn poll_whole(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // R35: what is left of a head that was answered before it was written would be a part of the next one.
        let is_written = self.out.rest().is_empty();
        if !(self.is_kept && is_written && self.body.is_ended() && self.read.is_empty()) {
            return Poll::Ready(false);
        }
        self.link.poll_whole(cx)
    }

    /// Lets go of all that it does not need while nobody uses it.
    pub(in crate::upstream) fn rest(&mut self) {
        let (read, most) = (take(&mut self.read), take(&mut self.most));
        if (1..=spare::READ_AT_MOST).contains(&most) {
            spare::keep_to_read(read);
        }
        if self.out.bytes.capacity() > KEPT {
            self.out = Out::default();
        }
    }

    /// R32: what it is after a 101.
    pub(in crate::upstream) fn switch(self) -> Option<Switched> {
        match self.link {
            Link::Whole(io) if self.out.rest().is_empty() => Some(Switched::new(io, self.read.freeze())),
            _ => None,
        }
    }
}

/// How the body of a request that was begun is framed.
#[derive(Debug)]
pub(in crate::upstream) struct Begun(Framing);

impl Begun {
    pub(in crate::upstream) fn upload<B: Sent>(self, body: Outgoing<B>) -> Upload<B> {
        Upload::new(body, self.0)
    }
}

/// R34: what comes before the answer. A 101 is the answer.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

//! What a client is told when the deadline passes within a response body.
//!
//! Covers the four ways: the trailers of gRPC, the last frame of gRPC-Web, the last envelope of Connect, or an error,
//! which breaks the message off (R13, R36). Does not watch the clock.

use bytes::{Buf, Bytes};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_deadline::Exceeded;
use http_deadline::dialect::Call;

use crate::envelope::{self, Envelopes};
use crate::{BodyError, connect, grpc};

/// How a response tells, after its head, that the deadline has passed.
#[derive(Debug, Default)]
pub(super) enum Status {
    /// By breaking off.
    #[default]
    Abort,
    /// In trailers of HTTP, even within a message.
    Trailers,
    /// In the body, between two messages. Boxed: it is moved with each response, and hardly ever there.
    InBody(Box<InBody>),
}

#[derive(Debug)]
pub(super) struct InBody {
    envelopes: Envelopes,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    GrpcWeb,
    GrpcWebText,
    Connect,
}

impl Status {
    /// Of the response with these headers, whose kind decides and not that of the request. In the body there is room
    /// only where its length `is_open`, and it is read only where it is not compressed as a whole.
    pub(super) fn of(response: &HeaderMap, is_http2: bool, is_open: bool) -> Self {
        if !is_http2 && !is_open {
            return Self::Abort;
        }
        let protocol = match Call::of(response) {
            Call::Grpc if is_http2 => return Self::Trailers,
            Call::GrpcWeb(_) => Protocol::GrpcWeb,
            Call::GrpcWebText(_) => Protocol::GrpcWebText,
            Call::ConnectStream(_) => Protocol::Connect,
            _ => return Self::Abort,
        };
        match is_open && is_plain(response) {
            true => Self::InBody(Box::new(InBody { envelopes: protocol.envelopes(), protocol })),
            false => Self::Abort,
        }
    }

    /// These data pass.
    #[inline]
    pub(super) fn pass(&mut self, data: &impl Buf) {
        if let Self::InBody(body) = self {
            body.envelopes.pass(data);
        }
    }

    /// The last frame, or none where the client has been told another status already.
    pub(super) fn tell<D: From<Bytes>>(&self, exceeded: Exceeded) -> Option<Result<Frame<D>, BodyError>> {
        match self {
            Self::Trailers => Some(Ok(Frame::trailers(grpc::trailers(&exceeded)))),
            Self::InBody(body) if body.envelopes.is_at_end() => None,
            Self::InBody(body) if body.envelopes.is_between() => {
                let last = Bytes::from(body.protocol.last(&exceeded));
                Some(Ok(Frame::data(last.into())))
            }
            _ => Some(Err(BodyError::Exceeded(with_reset(exceeded)))),
        }
    }
}

impl Protocol {
    fn envelopes(self) -> Envelopes {
        match self {
            Self::GrpcWeb => Envelopes::until(grpc::TRAILERS),
            Self::GrpcWebText => Envelopes::until(grpc::TRAILERS).in_base64(),
            Self::Connect => Envelopes::until(connect::LAST),
        }
    }

    fn last(self, exceeded: &Exceeded) -> Vec<u8> {
        match self {
            Self::GrpcWeb => grpc::trailers_frame(exceeded),
            Self::GrpcWebText => envelope::in_base64(&grpc::trailers_frame(exceeded)),
            Self::Connect => connect::end_at_deadline(exceeded),
        }
    }
}

fn is_plain(response: &HeaderMap) -> bool {
    let coding = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    response.get_all(CONTENT_ENCODING).iter().all(coding)
}

/// hyper looks for an `h2::Error` behind the error of a body to choose the code of the reset (R13).
#[cfg(feature = "http2")]
fn with_reset(exceeded: Exceeded) -> Exceeded {
    exceeded.with_source(std::sync::Arc::new(h2::Error::from(h2::Reason::CANCEL)))
}

#[cfg(not(feature = "http2"))]
fn with_reset(exceeded: Exceeded) -> Exceeded {
    exceeded
}

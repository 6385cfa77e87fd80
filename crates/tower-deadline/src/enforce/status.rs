//! What a client is told when a request is stopped within its response body.
//!
//! Covers the four ways: the trailers of gRPC, the last frame of gRPC-Web, the last envelope of Connect, or an error,
//! which breaks the message off (R13, R36). Does not watch the clock, nor whatever else stops a request.

use bytes::{Buf, Bytes};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Response, Version};
use http_body::{Body, Frame};
use http_deadline::Exceeded;
use http_deadline::dialect::Call;

use super::deliver::content_length;
use crate::envelope::{self, Envelopes};
use crate::{BodyError, connect, grpc};

/// How a response tells, after its head, that its request was stopped. For whoever stops one for another reason than its
/// deadline; at the deadline [`EnforcedBody`](super::EnforcedBody) does.
///
/// It has to see all data of the body, to know where a message ends.
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, Version};
/// use http_body_util::Full;
/// use std::time::Duration;
/// use tower_deadline::enforce::Status;
/// use tower_deadline::{Cause, Deadline, Exceeded, Stage, now};
///
/// let response = Response::builder().header("content-type", "application/grpc").body(Full::<Bytes>::default())?;
/// let status = Status::of(&response, Version::HTTP_2);
/// let deadline = Deadline::after(now(), Duration::from_secs(3));
/// let last = status.tell::<Bytes>(Exceeded::new(deadline, Stage::ResponseBody, Cause::Shutdown, now()));
/// let trailers = last.and_then(Result::ok).and_then(|last| last.into_trailers().ok());
/// assert_eq!(trailers.map(|trailers| trailers["grpc-status"].clone()).unwrap(), "14");
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Status(Way);

#[derive(Debug, Default)]
enum Way {
    /// By breaking off.
    #[default]
    Abort,
    /// In trailers of HTTP, even within a message.
    Trailers,
    /// In the body, between two messages. Boxed: it is moved with each response, and hardly ever there.
    InBody(Box<InBody>),
}

#[derive(Debug)]
struct InBody {
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
    /// Of this response, whose kind decides and not that of the request, to a request of this version.
    #[must_use]
    pub fn of<B: Body>(response: &Response<B>, version: Version) -> Self {
        // A body mostly knows its length, and then nothing is looked up.
        let is_open = response.body().size_hint().upper().is_none() && content_length(response.headers()).is_none();
        Self::in_version(response.headers(), version >= Version::HTTP_2, is_open)
    }

    /// Of the response with these headers. In the body there is room only where its length `is_open`, and it is read
    /// only where it is not compressed as a whole.
    pub(super) fn in_version(response: &HeaderMap, is_http2: bool, is_open: bool) -> Self {
        if !is_http2 && !is_open {
            return Self::default();
        }
        let protocol = match Call::of(response) {
            Call::Grpc if is_http2 => return Self(Way::Trailers),
            Call::GrpcWeb(_) => Protocol::GrpcWeb,
            Call::GrpcWebText(_) => Protocol::GrpcWebText,
            Call::ConnectStream(_) => Protocol::Connect,
            _ => return Self::default(),
        };
        match is_open && is_plain(response) {
            true => Self(Way::InBody(Box::new(InBody { envelopes: protocol.envelopes(), protocol }))),
            false => Self::default(),
        }
    }

    /// These data pass.
    #[inline]
    pub fn pass(&mut self, data: &impl Buf) {
        if let Way::InBody(body) = &mut self.0 {
            body.envelopes.pass(data);
        }
    }

    /// The last frame, after which the body ends: data, trailers, or an error that breaks it off, over HTTP/2 by a
    /// reset with `CANCEL` (feature `http2`). `None` where the client has been told another status already.
    #[must_use]
    pub fn tell<D: From<Bytes>>(&self, exceeded: Exceeded) -> Option<Result<Frame<D>, BodyError>> {
        match &self.0 {
            Way::Trailers => Some(Ok(Frame::trailers(grpc::trailers(&exceeded)))),
            Way::InBody(body) if body.envelopes.is_at_end() => None,
            Way::InBody(body) if body.envelopes.is_between() => {
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
            Self::Connect => connect::end_early(exceeded),
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

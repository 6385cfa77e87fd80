//! What is kept of a request that is sent, to send it again.
//!
//! Covers as much as can be kept: everything, or, where the body is a stream, everything but the body.

use http::Method;
use reqwest::Request;

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Spare {
    request: Request,
    body: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Whole,
    Streamed,
}

impl Spare {
    pub(super) fn of(request: &Request) -> Self {
        if let Some(request) = request.try_clone() {
            return Self { request, body: Kept::Whole };
        }
        let mut head = Request::new(request.method().clone(), request.url().clone());
        *head.headers_mut() = request.headers().clone();
        *head.version_mut() = request.version();
        Self { request: head, body: Kept::Streamed }
    }

    pub(super) fn method(&self) -> &Method {
        self.request.method()
    }

    /// The same request; `None` where its body was a stream.
    pub(super) fn replay(self) -> Option<Request> {
        Some(self.request).filter(|_| self.body == Kept::Whole)
    }

    /// The request without its body.
    pub(super) fn without_body(mut self) -> Request {
        *self.request.body_mut() = None;
        self.request
    }
}

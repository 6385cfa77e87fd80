//! The response head: in time, at the very instant, or too late.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_deadline::{Deadline, Exceeded};

use super::EnforcedBody;
use super::body::Ends;
use super::custody::Custody;
use super::status::Status;

/// What the request tells about its response, and what was seen of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    is_head: bool,
    /// HTTP/2 or later, which end in trailers.
    is_http2: bool,
    /// The bytes that the connection will ask for, where that is known.
    length: Option<u64>,
    /// Whether the deadline covers the body, once that was looked at.
    covered: Option<bool>,
}

impl Asking {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let is_http2 = request.version() >= Version::HTTP_2;
        Self { is_head: request.method() == Method::HEAD, is_http2, length: None, covered: None }
    }

    /// The deadline that has passed before this head was ready; `None` where it is in time. To be asked before the head
    /// is [delivered](Self::deliver), which goes by what was seen here.
    pub(super) fn late<B: Body>(&mut self, head: &Response<B>, custody: &Custody) -> Option<Deadline> {
        self.length = self.length_of(head);
        // The clock last: most heads are whole, or their body is not covered.
        if self.length == Some(0) || !self.covers(head, custody) { None } else { custody.expired() }
    }

    fn covers<B>(&mut self, head: &Response<B>, custody: &Custody) -> bool {
        *self.covered.get_or_insert_with(|| custody.covers(head.headers()))
    }

    /// The head is on its way: the custody of the request goes to the body.
    #[inline(always)]
    pub(super) fn deliver<B: Body, T>(
        mut self,
        head: Response<B>,
        mut custody: Custody,
        wrap: impl FnOnce(EnforcedBody<B>) -> T,
    ) -> Response<T> {
        if let Some(exceeded) = head.extensions().get::<Exceeded>() {
            custody.told(exceeded);
        }
        // Where somebody further out enforces, it is for them to release.
        let covered = self.covers(&head, &custody);
        custody.observe_head(covered);
        if custody.is_joined() || covered {
            custody.unwatch();
        } else {
            custody.release();
        }
        let after = self.length;
        let is_open = after.is_none() && head.body().size_hint().upper().is_none();
        // Without a deadline there is nothing to tell.
        let status = custody.inherited().map(|_| Status::in_version(head.headers(), self.is_http2, is_open));
        let ends = Ends { status: status.unwrap_or_default(), after };
        head.map(|inner| wrap(EnforcedBody::kept(inner, custody, ends)))
    }

    fn length_of<B: Body>(self, head: &Response<B>) -> Option<u64> {
        let bodyless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status());
        if self.is_head || bodyless || head.body().is_end_stream() {
            return Some(0);
        }
        head.body().size_hint().exact().or_else(|| content_length(head.headers()))
    }
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

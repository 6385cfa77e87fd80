//! The response head: in time, at the very instant, or too late.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use http_deadline::{Deadline, Exceeded};

use super::EnforcedBody;
use super::body::Ends;
use super::custody::Custody;
use super::status::Status;

/// What the request tells about its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) is_head: bool,
    /// HTTP/2 or later, which end in trailers.
    pub(super) is_http2: bool,
}

impl Asking {
    /// The deadline that has passed before this head was ready; `None` where it is in time.
    pub(super) fn late<B: Body>(self, head: &Response<B>, custody: &Custody) -> Option<Deadline> {
        // The clock last: most heads are whole, or their body is not covered.
        if self.length(head) == Some(0) || !custody.covers(head.headers()) { None } else { custody.expired() }
    }

    /// The head is on its way: the custody of the request goes to the body.
    #[inline]
    pub(super) fn deliver<B: Body, T>(
        self,
        head: Response<B>,
        mut custody: Custody,
        wrap: impl FnOnce(EnforcedBody<B>) -> T,
    ) -> Response<T> {
        if let Some(exceeded) = head.extensions().get::<Exceeded>() {
            custody.told(exceeded);
        }
        // Where somebody further out enforces, it is for them to release.
        let covered = custody.covers(head.headers());
        custody.observe_head(covered);
        if custody.is_joined() || covered {
            custody.unwatch();
        } else {
            custody.release();
        }
        let after = self.length(&head);
        let is_open = after.is_none() && head.body().size_hint().upper().is_none();
        // Without a deadline there is nothing to tell.
        let status = custody.inherited().map(|_| Status::in_version(head.headers(), self.is_http2, is_open));
        let ends = Ends { status: status.unwrap_or_default(), after };
        head.map(|inner| wrap(EnforcedBody::kept(inner, custody, ends)))
    }

    /// The bytes that the connection will ask for, where that is known.
    fn length<B: Body>(self, head: &Response<B>) -> Option<u64> {
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

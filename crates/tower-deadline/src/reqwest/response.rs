//! The response as the caller gets it.
//!
//! Covers the body under the deadline and the limit of a read, and whose deadline it was that a hop reports
//! (R23, R24). Status, fields, extensions, address, trailers and size hint stay; the deadline fields of requests
//! go (R9).

use http::response::Parts;
use reqwest::{Body, Response, ResponseBuilderExt, Url};

use super::call::Plan;
use super::read::ReadBody;
use crate::propagate::trace::Telling;
use crate::propagate::{Bounds, deliver};
use crate::trace::CallSpan;
use crate::watch::Watch;

/// Something below the adapter followed a redirect by itself: the server that answered was sent a field that was
/// written for another one, and credentials may have gone along.
///
/// It stands in the extensions of such a response, which is passed on as it is. It means that the client was not
/// made by [`ReqwestBuilder`](super::ReqwestBuilder), or that a middleware further in sent the request elsewhere.
///
/// ```
/// use tower_deadline::reqwest::Followed;
///
/// fn watch_over(response: &reqwest::Response) {
///     if let Some(followed) = response.extensions().get::<Followed>() {
///         eprintln!("{} was asked, {} answered", followed.asked(), response.url());
///     }
/// }
/// # let _ = watch_over;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    asked: Url,
}

impl Followed {
    /// The address that the field was written for.
    #[must_use]
    pub fn asked(&self) -> &Url {
        &self.asked
    }

    pub(super) fn note(asked: &Url, response: &mut Response) {
        let resource = |url: &Url| {
            let mut url = url.clone();
            url.set_fragment(None);
            url
        };
        if resource(asked) != resource(response.url()) {
            response.extensions_mut().insert(Self { asked: asked.clone() });
        }
    }
}

/// Bounds the body, and says whose deadline it was.
pub(super) fn finished(
    response: Response,
    bounds: Option<Bounds>,
    watch: Option<Watch>,
    plan: &Plan,
    (telling, span): (Option<Telling>, Option<CallSpan>),
) -> Response {
    let url = response.url().clone();
    let head = http::Response::<Body>::from(response).map(|body| ReadBody::new(body, plan.read));
    let mut head = deliver(head, bounds, watch, &plan.layer.dialects);
    span.into_iter().for_each(|span| span.answered(&mut head));
    let (parts, body) = head.into_parts();
    // reqwest passes no trailers on: a message that is cut has to end in an error.
    let mut body = body.with_status(None);
    body.tell_to(telling);
    http::Response::from_parts(addressed(parts, url), Body::wrap(body)).into()
}

/// The same, with its address where reqwest looks for it.
fn addressed(mut parts: Parts, url: Url) -> Parts {
    let (carrier, ()) = http::Response::builder().url(url).body(()).unwrap_or_default().into_parts();
    parts.extensions.extend(carrier.extensions);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered_by(url: &str) -> Response {
        http::Response::builder().url(url.parse().unwrap()).body("").unwrap().into()
    }

    #[test]
    fn an_answer_of_another_address_is_noted_and_one_of_another_fragment_is_not() {
        let asked: Url = "http://shop.example/orders#top".parse().unwrap();
        for (answered, noted) in [
            ("http://shop.example/orders#top", false),
            ("http://shop.example/orders", false),
            ("http://shop.example/paid", true),
            ("http://other.example/orders", true),
        ] {
            let mut response = answered_by(answered);
            Followed::note(&asked, &mut response);
            let found = response.extensions().get::<Followed>().map(Followed::asked);
            assert_eq!(found, Some(&asked).filter(|_| noted), "{answered}");
        }
    }
}

//! What gives a path another beginning.
//!
//! Covers the target of a request, and the field that tells an upstream what it was. The prefix is cut off by the number
//! of its segments, as it matched, however it was encoded; what stands behind it, and the query, is kept to the byte.
//! Does not change an answer: a `Location` is told as the upstream says it.
//!
//! # Where it stands
//!
//! Inside of [`ForwardLayer`](crate::forward::ForwardLayer), which tells of the request as it came, and of
//! [`HopByHopLayer`](tower_deadline::HopByHopLayer), so that no `Connection` removes the field.

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tower_deadline::Answers;
use tower_deadline::dialect::Call;
use tracing::Level;

use super::{Rewrite, Route};
use crate::look_alike;

/// What cannot stand in a path as it is. A rewrite is written without encoding, as the path of a route is.
const ENCODED: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'\\');
const ENCODED_TOO: AsciiSet = ENCODED.add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Gives paths another beginning; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewriter(Option<Arc<Plan>>);

#[derive(Debug)]
struct Plan {
    /// How many segments are cut off.
    segments: usize,
    /// What stands there instead: empty, or with a slash at its beginning and none at its end.
    prefix: String,
    original: Option<HeaderName>,
    answers: Answers,
}

impl Rewriter {
    /// What this route wants, if anything.
    pub(crate) fn new(route: &Route, answers: Answers) -> Self {
        let plan = |rewrite: &Rewrite| {
            let prefix = utf8_percent_encode(rewrite.prefix.trim_matches('/'), &ENCODED_TOO).to_string();
            let prefix = if prefix.is_empty() { prefix } else { format!("/{prefix}") };
            let (segments, original) = (route.matches.path.segments.len(), rewrite.original.clone());
            Arc::new(Plan { segments, prefix, original, answers })
        };
        Self(route.rewrite.as_ref().map(plan))
    }

    /// Gives a request its new target, if it gets one; or returns the answer to one for which there is none.
    pub(crate) fn rewrite<B>(&self, request: &mut Request<B>) -> Result<(), Box<Response<Bytes>>> {
        let answer = self.0.as_ref().and_then(|plan| plan.apply(request));
        answer.map_or(Ok(()), |answer| Err(Box::new(answer)))
    }
}

impl Plan {
    /// Gives a request its new target; the answer to one for which there is none.
    fn apply<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        let original = request.uri().path_and_query().cloned();
        self.tell(request.headers_mut(), original.as_ref());
        // `OPTIONS *` and CONNECT ask for no path.
        let original = original.filter(|original| original.path().starts_with('/'))?;
        let target = self.target(&original);
        if tracing::enabled!(target: "explain", Level::DEBUG) {
            let path = target.split('?').next().unwrap_or_default();
            tracing::debug!(target: "explain", "rewrite: {} becomes {path}", original.path());
        }
        let is_short = replace(request.uri_mut(), target).is_some();
        let (status, detail) = (StatusCode::URI_TOO_LONG, "target: too long for the path that its route gives it");
        (!is_short).then(|| self.answers.failure(status, detail, Call::of(request.headers())))
    }

    /// Tells the upstream what was asked for, and nothing that a client has put there.
    fn tell(&self, headers: &mut HeaderMap, original: Option<&PathAndQuery>) {
        let Some(name) = &self.original else { return };
        look_alike::remove(headers, name);
        if let Some(Ok(value)) = original.map(|original| HeaderValue::from_str(original.as_str())) {
            headers.insert(name, value);
        }
    }

    fn target(&self, original: &PathAndQuery) -> String {
        let rest = behind(original.path(), self.segments);
        let mut target = self.prefix.clone();
        if target.is_empty() {
            // Two slashes at the beginning of a target would begin a host.
            target.push('/');
            target.push_str(rest.trim_start_matches('/'));
        } else {
            target.push_str(rest);
        }
        if let Some(query) = original.query() {
            target.push('?');
            target.push_str(query);
        }
        target
    }
}

/// What stands behind so many segments: empty, or from a slash on.
fn behind(path: &str, segments: usize) -> &str {
    path.match_indices('/').nth(segments).and_then(|(at, _)| path.get(at..)).unwrap_or_default()
}

/// `None` where it becomes too long for a target.
fn replace(uri: &mut Uri, target: String) -> Option<()> {
    let path = PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?;
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(path);
    *uri = Uri::from_parts(parts).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::tests::{explained, request, route};

    /// What the upstream of this route is asked, and the status of the answer.
    fn exchange(of: &str, rewrite: Option<Rewrite>, asked: Request<()>) -> (Option<Request<()>>, StatusCode) {
        let mut route = route(of);
        route.rewrite = rewrite;
        let mut asked = asked;
        match Rewriter::new(&route, Answers::new()).rewrite(&mut asked) {
            Ok(()) => (Some(asked), StatusCode::OK),
            Err(answer) => (None, answer.status()),
        }
    }

    fn to(prefix: &str) -> Option<Rewrite> {
        Some(Rewrite { prefix: prefix.to_owned(), original: None })
    }

    fn target(of: &str, prefix: &str, asked: &str) -> String {
        let (seen, _) = exchange(of, to(prefix), request(&format!("GET {asked}")));
        seen.unwrap().uri().to_string()
    }

    #[test]
    fn the_prefix_that_matched_becomes_another_and_the_rest_stays() {
        for (of, prefix, asked, target_is) in [
            ("/orders/*", "/v2", "/orders/7", "/v2/7"),
            ("/orders/*", "/v2", "/orders", "/v2"),
            ("/orders/*", "/v2", "/orders/", "/v2/"),
            ("/orders/*", "/v2", "/orders?a=/b?c", "/v2?a=/b?c"),
            ("/orders/*", "/v2", "/orders/7?", "/v2/7?"),
            ("/orders/*", "/v2", "/orders/%37%2F8//x%20", "/v2/%37%2F8//x%20"),
            ("/orders/*", "/v2", "/%6Frders/7", "/v2/7"),
            ("/a/b/*", "/v2/w", "/a%2fc/b/7", "/v2/w/7"),
            ("/{tenant}/b/*", "/v2", "/%C3%A9%2f/b/7", "/v2/7"),
            ("/*", "/v2", "/", "/v2/"),
            ("/*", "/v2", "/7", "/v2/7"),
            ("/orders/*", "", "/orders", "/"),
            ("/orders/*", "", "/orders?a", "/?a"),
            ("/orders/*", "", "/orders/7", "/7"),
            ("/orders/*", "/", "/orders/7/", "/7/"),
            ("/orders/*", "/v2/", "/orders/7", "/v2/7"),
            ("/orders/*", "v2", "/orders/7", "/v2/7"),
            ("/orders/*", "", "/orders//evil.example/", "/evil.example/"),
            ("/orders/*", "", "/orders///", "/"),
            ("/orders/*", "/v 2/é%", "/orders/7", "/v%202/%C3%A9%25/7"),
            ("/orders/*", "/v2", "http://shop.example/orders/7?a", "http://shop.example/v2/7?a"),
            ("/*", "/v2", "http://shop.example?a", "http://shop.example/v2/?a"),
        ] {
            assert_eq!(target(of, prefix, asked), target_is, "{of} to {prefix:?}: {asked}");
        }
    }

    #[test]
    fn what_asks_for_no_path_stays() {
        assert_eq!(target("/*", "/v2", "*"), "*");
        assert_eq!(target("/*", "/v2", "shop.example:443"), "shop.example:443");
        let (seen, _) = exchange("/orders/*", None, request("GET /orders//7?a"));
        assert_eq!(seen.unwrap().uri(), "/orders//7?a");
    }

    #[test]
    fn the_original_is_told_and_nobody_else_tells_it() {
        let rewrite =
            || Some(Rewrite { original: Some(HeaderName::from_static("x-original-path")), ..to("").unwrap() });
        let asked = "GET /orders/%37?a=b x-original-path=/admin x-original-path=/b x_original_path=/c x-original=1";
        let (seen, _) = exchange("/orders/*", rewrite(), request(asked));
        let seen = seen.unwrap();
        assert_eq!(seen.uri(), "/%37?a=b");
        let lines: Vec<_> =
            seen.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(seen.headers()["x-original-path"], "/orders/%37?a=b");
        let (seen, _) = exchange("/*", rewrite(), request("CONNECT shop.example:443 x-original-path=/admin"));
        assert!(seen.unwrap().headers().is_empty());
    }

    #[test]
    fn a_target_that_becomes_too_long_is_refused() {
        let longest = usize::from(u16::MAX) - 1;
        for (length, status) in [(longest - 5, StatusCode::OK), (longest - 4, StatusCode::URI_TOO_LONG)] {
            let asked = request(&format!("GET /{}", "a".repeat(length - 1)));
            let (seen, told) = exchange("/*", to("/v2/a"), asked);
            assert_eq!((seen.is_some(), told), (status == StatusCode::OK, status), "{length}");
        }
    }

    #[test]
    fn the_change_is_told_without_the_query() {
        let lines = explained(|| assert_eq!(target("/orders/*", "/v2", "/orders/7?secret"), "/v2/7?secret"));
        assert_eq!(lines, ["rewrite: /orders/7 becomes /v2/7"]);
    }
}

//! Where a response sends us next.
//!
//! Covers the decision, as reqwest and browsers make it: the address, the method, the fields that stay behind.
//! Does not send anything.

use std::error::Error;
use std::fmt;

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HOST,
    HeaderName, LOCATION, PROXY_AUTHORIZATION, REFERER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Request, Response, Url};

use super::spare::Spare;

/// What no other origin gets to see.
pub(super) const CREDENTIALS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, HeaderName::from_static("cookie2"), PROXY_AUTHORIZATION, WWW_AUTHENTICATE];

/// What belongs to a body that is not sent again.
const PAYLOAD: [HeaderName; 6] =
    [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, TRANSFER_ENCODING];

/// How redirects are followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redirects {
    /// How many; `None`: the redirect is the response.
    pub(super) limit: Option<usize>,
    pub(super) referer: Referer,
    pub(super) credentials: Credentials,
}

/// Whether the next server is told where it was linked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Referer {
    Told,
    Untold,
}

/// Whether the client adds credentials to every request by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    OfTheRequest,
    OfTheClientToo,
}

/// A call was redirected more often than it may be. It is the source of the call's error.
#[derive(Clone, Debug)]
pub struct TooManyRedirects {
    limit: usize,
    url: Url,
}

impl TooManyRedirects {
    /// How many were followed.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The address that the last of them led to, which redirects too.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} redirects", self.limit)
    }
}

impl Error for TooManyRedirects {}

impl Redirects {
    /// The request to make next; `None` where this response is the answer.
    pub(super) fn next(
        &self,
        response: &Response,
        spare: Spare,
        followed: usize,
    ) -> Result<Option<Request>, TooManyRedirects> {
        let Some(limit) = self.limit else { return Ok(None) };
        let (status, from) = (response.status(), response.url());
        let Some(url) = target(status, response.headers(), from) else { return Ok(None) };
        let crosses = url.origin() != from.origin();
        // What the client adds below us cannot be taken away here, so it stays with its own origin.
        if crosses && self.credentials == Credentials::OfTheClientToo {
            return Ok(None);
        }
        let Some(mut request) = moved(status, spare) else { return Ok(None) };
        if followed >= limit {
            return Err(TooManyRedirects { limit, url: from.clone() });
        }
        if crosses {
            remove(request.headers_mut(), &CREDENTIALS);
            // The address says who the next one is.
            request.headers_mut().remove(HOST);
        }
        self.refer(request.headers_mut(), from, &url);
        *request.url_mut() = url;
        Ok(Some(request))
    }

    fn refer(&self, headers: &mut HeaderMap, from: &Url, to: &Url) {
        if self.referer == Referer::Untold {
            return;
        }
        match referer(from, to) {
            Some(value) => drop(headers.insert(REFERER, value)),
            None => drop(headers.remove(REFERER)),
        }
    }
}

/// Where a redirect leads to; `None` if it is none, or leads nowhere.
fn target(status: StatusCode, headers: &HeaderMap, from: &Url) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    from.join(location).ok()
}

/// The request again, as this redirect wants it; `None` where its body cannot be sent again.
fn moved(status: StatusCode, spare: Spare) -> Option<Request> {
    let method = match (status, spare.method()) {
        (StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND, &Method::POST) => Method::GET,
        (StatusCode::SEE_OTHER, &Method::HEAD) => Method::HEAD,
        (StatusCode::SEE_OTHER, _) => Method::GET,
        _ => return spare.replay(),
    };
    let mut request = spare.without_body();
    *request.method_mut() = method;
    remove(request.headers_mut(), &PAYLOAD);
    Some(request)
}

/// Where the request comes from, without user, password and fragment; `None` from `https` to `http`.
fn referer(from: &Url, to: &Url) -> Option<HeaderValue> {
    if from.scheme() == "https" && to.scheme() == "http" {
        return None;
    }
    let mut from = from.clone();
    // Only an address without a host has no place for them.
    let _ = from.set_username("");
    let _ = from.set_password(None);
    from.set_fragment(None);
    from.as_str().parse().ok()
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;

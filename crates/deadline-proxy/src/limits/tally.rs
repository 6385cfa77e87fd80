//! Counting requests: how many are under way, how they were answered, and what a client did not get of an answer.
//!
//! Stands outside everything, so that also the answers of the layers count. A request is under way until its response
//! body has ended or is dropped.

use std::fmt;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, TE, TRAILER};
use http::{HeaderMap, HeaderName, Request, Response, Version};

use crate::count::{self, Requests};

/// Counts requests and their answers, as a part of the [front](crate::front). See the module.
#[derive(Clone)]
pub struct TallyLayer(Arc<Requests>);

impl TallyLayer {
    /// Counts into what is installed by now.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Requests::new()))
    }
}

impl Default for TallyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TallyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TallyLayer")
    }
}

impl TallyLayer {
    /// A request has come, and is under way until this is dropped. The handle is one of this worker: what holds a request
    /// to the count is not counted by all workers in one place.
    pub(crate) fn open<B>(layer: &Arc<Self>, request: &Request<B>) -> Tallied {
        let version = request.version();
        layer.0.came();
        let takes = Takes::of(version, request.headers());
        Tallied { layer: Arc::clone(layer), version, is_answered: false, takes }
    }
}

/// Which trailers of its answer a client gets (R34).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Takes {
    All,
    /// Those that the head names.
    Named(Vec<HeaderName>),
    None,
}

impl Takes {
    /// hyper sends trailers over HTTP/1.1 only to who asks for them.
    fn of(version: Version, headers: &HeaderMap) -> Self {
        match version {
            Version::HTTP_11 if takes_trailers(headers) => Self::Named(Vec::new()),
            Version::HTTP_09 | Version::HTTP_10 | Version::HTTP_11 => Self::None,
            _ => Self::All,
        }
    }

    /// Of this answer: over HTTP/1.1 those that its head names, and none behind a body of a known length.
    fn answered(&mut self, headers: &HeaderMap) {
        if let Self::Named(names) = self
            && !headers.contains_key(CONTENT_LENGTH)
        {
            let named = headers.get_all(TRAILER).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
            names.extend(named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
        }
    }

    fn all(&self, trailers: &HeaderMap) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => trailers.keys().all(|name| names.contains(name)),
            Self::None => false,
        }
    }
}

fn takes_trailers(headers: &HeaderMap) -> bool {
    // Hardly anybody does: cheaper than to look it up.
    if !headers.keys().any(|name| *name == TE) {
        return false;
    }
    let mut codings = headers.get_all(TE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// A request that is under way.
pub(crate) struct Tallied {
    layer: Arc<TallyLayer>,
    version: Version,
    is_answered: bool,
    takes: Takes,
}

impl Tallied {
    /// Its answer has a head.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.is_answered = true;
        self.layer.0.answered(self.version, Some(response.status()));
        self.takes.answered(response.headers());
    }

    /// Its answer ends with these.
    pub(crate) fn trailers(&self, trailers: &HeaderMap) {
        if !self.takes.all(trailers) {
            count::trailers_dropped();
        }
    }
}

impl fmt::Debug for Tallied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tallied").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Drop for Tallied {
    fn drop(&mut self) {
        if !self.is_answered {
            self.layer.0.answered(self.version, None);
        }
        self.layer.0.went();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ReceivedBody;
    use crate::front::FrontLayer;
    use bytes::Bytes;
    use deadline_testkit::{ScriptedBody, ScriptedError, Step};
    use http::HeaderValue;
    use http_body_util::{BodyExt, Empty};
    use tower::{Layer, Service, ServiceExt, service_fn};

    async fn answered(request: Request<ReceivedBody<Empty<Bytes>>>) -> Result<Response<ScriptedBody>, ScriptedError> {
        match request.uri().path() {
            "/fails" => Err(ScriptedError),
            "/never" => std::future::pending().await,
            _ => Ok(Response::new(ScriptedBody::new([Step::Data("a"), Step::Trailers(HeaderMap::new())]))),
        }
    }

    fn request(path: &str, version: Version, te: &'static str) -> Request<Empty<Bytes>> {
        Request::get(path).version(version).header(TE, te).body(Empty::new()).unwrap()
    }

    /// One line of what is told after this was done, under a recorder of its own.
    fn told<F: Future<Output = ()>>(work: impl FnOnce(FrontLayer) -> F) -> impl Fn(&str) -> Option<String> {
        let text = count::told(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(work(FrontLayer::new().tally(TallyLayer::new())));
        });
        move |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map(str::to_owned)
        }
    }

    #[test]
    fn a_request_is_under_way_until_its_body_has_ended() {
        let told = told(|layer| async move {
            let service = layer.layer(service_fn(answered));
            let mut read = service.clone().oneshot(request("/", Version::HTTP_2, "")).await.unwrap();
            while read.body_mut().frame().await.is_some() {}
            let unread = service.oneshot(request("/", Version::HTTP_2, "")).await.unwrap();
            std::mem::forget((read, unread));
        });
        assert_eq!(told("deadline_proxy_requests_in_flight").as_deref(), Some("1"));
        assert_eq!(told(r#"deadline_proxy_requests_total{version="2",status="2xx"}"#).as_deref(), Some("2"));
    }

    #[test]
    fn one_that_nobody_waits_for_any_more_or_that_fails_has_no_status() {
        let told = told(|layer| async move {
            let mut service = layer.layer(service_fn(answered));
            drop(service.call(request("/never", Version::HTTP_11, "")));
            assert!(service.call(request("/fails", Version::HTTP_11, "")).await.is_err());
        });
        assert_eq!(told("deadline_proxy_requests_in_flight").as_deref(), Some("0"));
        assert_eq!(told(r#"deadline_proxy_requests_total{version="1.1",status="none"}"#).as_deref(), Some("2"));
    }

    #[test]
    fn trailers_that_a_client_does_not_take_are_counted() {
        let told = told(|layer| async move {
            for (version, te) in [
                (Version::HTTP_11, ""),
                (Version::HTTP_11, "gzip, Trailers"),
                (Version::HTTP_2, ""),
                (Version::HTTP_11, "trailer"),
            ] {
                let service = layer.layer(service_fn(answered));
                let answer = service.oneshot(request("/", version, te)).await.unwrap();
                answer.into_body().collect().await.unwrap();
            }
        });
        assert_eq!(told("deadline_proxy_trailers_dropped_total").as_deref(), Some("2"));
    }

    /// hyper writes over HTTP/1.1 what the head names, and closes a body of a known length at its end.
    // R34
    #[test]
    fn trailers_that_the_head_does_not_name_are_counted() {
        let heads: [&[(&str, &str)]; 6] = [
            &[("trailer", "X-Checksum")],
            &[("trailer", "x-own, x-checksum")],
            &[("trailer", "x-own"), ("trailer", "x-checksum")],
            &[],
            &[("trailer", "x-own")],
            &[("trailer", "x-checksum"), ("content-length", "1")],
        ];
        for (version, lost) in [(Version::HTTP_10, 6), (Version::HTTP_11, 3), (Version::HTTP_2, 0)] {
            let told = told(|layer| async move {
                for head in heads {
                    let service = layer.layer(service_fn(async |_| {
                        let trailers = [(HeaderName::from_static("x-checksum"), HeaderValue::from_static("42"))];
                        let trailers = Step::Trailers(trailers.into_iter().collect());
                        let mut answer = Response::builder();
                        for (name, value) in head {
                            answer = answer.header(*name, *value);
                        }
                        Ok::<_, ScriptedError>(answer.body(ScriptedBody::new([Step::Data("a"), trailers])).unwrap())
                    }));
                    let answer = service.oneshot(request("/", version, "trailers")).await.unwrap();
                    answer.into_body().collect().await.unwrap();
                }
            });
            let counted = told("deadline_proxy_trailers_dropped_total").unwrap_or("0".to_owned());
            assert_eq!(counted, lost.to_string(), "{version:?}");
        }
    }
}

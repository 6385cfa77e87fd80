//! Between the hops: what is no request for an upstream is refused, and an upstream that fails is answered for.
//!
//! Covers a 502 for an upstream that cannot be reached or breaks off before its head, a 503 where there is no room for
//! one more request, a 400 where the policy wants a deadline and nobody has set one, and what stands for a deadline where
//! the limit of an attempt has passed. Is no forward proxy: `CONNECT` is refused. The deadline of the request is not a
//! failure of the upstream and goes on outwards as an error.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{COOKIE, HOST, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use tower_deadline::dialect::Call;
use tower_deadline::{Answers, Exceeded, PropagateError, Statuses};

use super::blame::{Chain, blame};
use crate::attempt::{Late, Unanswered};
use crate::count::{self, Refusal};
use crate::log;

/// How an upstream is answered for. A clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    answers: Answers,
    late: Statuses,
    hop: Arc<str>,
}

impl Gateway {
    /// Answers in this way; with one of these statuses where the limit of an attempt has passed.
    pub(super) fn new(answers: Answers, late: Statuses, hop: &str) -> Self {
        Self { answers, late, hop: hop.into() }
    }

    /// The answer to what is no request for an upstream.
    pub(super) fn check<B>(&self, request: &mut Request<B>, call: Call) -> Result<(), Box<Response<Bytes>>> {
        if let Some((status, detail)) = refusal(request) {
            return Err(Box::new(self.answers.failure(status, detail, call)));
        }
        join_cookies(request.headers_mut());
        Ok(())
    }

    /// The answer for what came to none; `None` where the request itself was stopped.
    pub(super) fn answer(&self, error: &PropagateError, call: Call) -> Option<Response<Bytes>> {
        let inner = if let PropagateError::Inner(inner) = error { Some(&**inner) } else { None };
        let unanswered = inner.and_then(|inner| inner.downcast_ref::<Unanswered>());
        // A request body that ran out of time comes back as the client's failure; it is a deadline all the same.
        let mut answer = match (Exceeded::find(error), unanswered) {
            (Some(exceeded), _) if Late::find(error).is_some() => {
                let status = self.late.of(exceeded);
                log::failed(status, "no answer within the limit of an attempt", error);
                self.answers.exceeded(exceeded, status, call)
            }
            (Some(_), _) => return None,
            (None, Some(off @ Unanswered { last: None, .. })) => {
                log::failed(StatusCode::BAD_GATEWAY, "every upstream of the chain passed it on", off);
                self.answers.failure(StatusCode::BAD_GATEWAY, &off.to_string(), call)
            }
            (None, Some(Unanswered { last: Some(last), .. })) => self.failed(inner?, last, call),
            (None, None) if matches!(error, PropagateError::Missing { .. }) => self.missing(error, call),
            (None, None) => self.failed(inner?, inner?, call),
        };
        let told = unanswered.and_then(|unanswered| unanswered.story.field(&self.hop));
        answer.headers_mut().extend(told);
        Some(answer)
    }

    /// R21: nobody has set a deadline, and the policy of the route wants one. It is the client that could, as it is where a
    /// policy takes no request without a field; so it is told by the same status.
    fn missing(&self, error: &Chain, call: Call) -> Response<Bytes> {
        const DETAIL: &str = "no upstream is called here without a deadline, and the request has none";
        log::failed(StatusCode::BAD_REQUEST, DETAIL, error);
        tracing::debug!(target: "explain", "send: nothing: {DETAIL}");
        self.answers.failure(StatusCode::BAD_REQUEST, DETAIL, call)
    }

    /// `last` is what is to blame of it.
    fn failed(&self, error: &Chain, last: &Chain, call: Call) -> Response<Bytes> {
        let (status, detail) = blame(last);
        log::failed(status, detail, error);
        let mut answer = self.answers.failure(status, detail, call);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            count::refused(Refusal::PoolFull);
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// Why a request does not go through.
fn refusal<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    if *request.method() == Method::CONNECT {
        return Some((StatusCode::NOT_IMPLEMENTED, "this proxy opens no tunnels"));
    }
    // RFC 9112 §3.2: one host, and in HTTP/1.1 at least one.
    let headers = request.headers();
    let is_unnamed = request.version() == Version::HTTP_11 && request.uri().authority().is_none();
    // It mostly comes first, and is found sooner than it is looked up.
    let unnamed = is_unnamed && !headers.keys().any(|name| *name == HOST);
    (unnamed || repeats(headers) && headers.get_all(HOST).iter().count() > 1).then(|| {
        count::refused(Refusal::Framing);
        (StatusCode::BAD_REQUEST, "host: exactly one is expected")
    })
}

/// Whether there is more than one line of any name.
fn repeats(headers: &HeaderMap) -> bool {
    headers.len() > headers.keys_len()
}

/// RFC 9113 §8.2.3: HTTP/2 may send a cookie in crumbs, and HTTP/1.1 knows one field.
fn join_cookies(headers: &mut HeaderMap) {
    if !repeats(headers) {
        return;
    }
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::{Limit, Outcome, Story, TryLimit};
    use crate::upstream::SendError;
    use http::Extensions;
    use std::future::pending;
    use std::time::Duration;
    use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
    use tower_deadline::{BoxError, Cause, Deadline, Policy, Stage, now};

    #[test]
    fn a_request_has_one_host() {
        let mut request = Request::get("/").body(()).unwrap();
        let status = |request: &Request<()>| refusal(request).map(|(status, _)| status.as_u16());
        assert_eq!(status(&request), Some(400));
        request.headers_mut().append(HOST, HeaderValue::from_static("a"));
        assert_eq!(status(&request), None);
        request.headers_mut().append(HOST, HeaderValue::from_static("b"));
        assert_eq!(status(&request), Some(400));
        assert_eq!(status(&Request::connect("a:443").body(()).unwrap()), Some(501));
        let old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(status(&old), None);
    }

    fn says() -> Gateway {
        let policy = Policy::new().status(StatusCode::IM_A_TEAPOT);
        Gateway::new(Answers::new().hop("edge"), policy.statuses(), "edge")
    }

    fn unanswered(last: Option<PropagateError>) -> PropagateError {
        let passed = vec![("corp".into(), Outcome::Connect), ("golang".into(), Outcome::Timeout)];
        PropagateError::Inner(Unanswered { story: Story { attempts: 2, upstream: None, passed }, last }.into())
    }

    /// Status, detail and `Proxy-Status`.
    fn told(error: &PropagateError) -> Option<(u16, String, String)> {
        let answer = says().answer(error, Call::Http)?;
        let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let names = answer.headers().get("proxy-status").map(|field| field.to_str().unwrap().to_owned());
        let detail = document["detail"].as_str().unwrap().to_owned();
        Some((answer.status().as_u16(), detail, names.unwrap_or_default()))
    }

    const NAMES: &str = r#"edge; details="corp connect, golang timeout""#;

    // R38
    #[test]
    fn an_answer_for_a_chain_names_whom_it_asked() {
        let off = told(&unanswered(None)).unwrap();
        let detail = "every upstream of the chain passed it on: corp connect, golang timeout";
        assert_eq!(off, (502, detail.to_owned(), NAMES.to_owned()));
        let full = SendError::<PropagateError>::Full { upstream: "golang".to_owned() };
        let last = told(&unanswered(Some(PropagateError::Inner(full.into())))).unwrap();
        let detail = "every connection to the upstream is in use";
        assert_eq!(last, (503, detail.to_owned(), NAMES.to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_of_an_attempt_is_answered_for_here_and_the_deadline_of_the_request_is_not() {
        let late = || async {
            let limit = Limit::new(Some(TryLimit::new(Duration::from_secs(5), "golang")), &Extensions::new());
            PropagateError::Inner(limit.hold(std::pin::pin!(pending::<Result<(), BoxError>>())).await.unwrap_err())
        };
        let detail = "deadline of 5000 ms exceeded in stage upstream".to_owned();
        assert_eq!(told(&late().await), Some((418, detail.clone(), String::new())));
        assert_eq!(told(&unanswered(Some(late().await))), Some((418, detail, NAMES.to_owned())));
        let answer = says().answer(&late().await, Call::Http).unwrap();
        assert!(answer.headers().contains_key(&DEADLINE_EXCEEDED));
        assert!(answer.extensions().get::<Exceeded>().is_some());
        let deadline = Deadline::after(now(), Duration::from_secs(5));
        let exceeded = || Exceeded::new(deadline, Stage::Upstream, Cause::Deadline, now());
        assert_eq!(told(&PropagateError::Exceeded(exceeded())), None);
        assert_eq!(told(&PropagateError::Inner(Box::new(exceeded()))), None);
    }

    // R21
    #[test]
    fn a_request_without_the_deadline_that_its_route_wants_is_the_clients_to_mend() {
        let missing = PropagateError::Missing { site: std::panic::Location::caller() };
        let detail = "no upstream is called here without a deadline, and the request has none";
        assert_eq!(told(&missing), Some((400, detail.to_owned(), String::new())));
        let answer = says().answer(&missing, Call::Grpc).unwrap();
        assert_eq!(answer.headers()[&tower_deadline::dialect::GRPC_STATUS], "13");
    }

    #[test]
    fn the_crumbs_of_a_cookie_are_joined() {
        let mut headers = HeaderMap::new();
        join_cookies(&mut headers);
        assert!(headers.is_empty());
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }
}

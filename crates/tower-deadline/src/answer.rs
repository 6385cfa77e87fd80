//! Answers: what the layers say to a client that they do not serve.
//!
//! Covers problem documents after RFC 9457, the `Deadline-Exceeded` field, the trailers-only form of gRPC and
//! gRPC-Web, and the errors of Connect. Does not decide when to answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_deadline::dialect::Call;
use http_deadline::dialect::trail::{RETRY_AFTER as X_RETRY_AFTER, Trail};
use http_deadline::{Cause, Exceeded, OriginKind, Refusal, Stage};
use serde::Serialize;

use crate::code::Code;
use crate::{AnswerDetail, connect, grpc};

/// How a hop answers.
///
/// ```
/// use tower_deadline::Answers;
///
/// let answers = Answers::new().hop("orders").expose_origin().without_retry_after();
/// # let _ = answers;
/// ```
// One word, for each request that is let in has it; `None` is the default.
#[derive(Clone, Debug, Default)]
pub struct Answers(Option<Arc<Manner>>);

#[derive(Clone, Debug, Default)]
struct Manner {
    hop: Option<Arc<str>>,
    expose_origin: bool,
    without_retry_after: bool,
}

impl Answers {
    /// Answers without a hop's name, without the detail of an origin, with `X-Retry-After` on a 504.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of this hop, in every answer that is a head; the trailers that end a stream do not name it.
    #[must_use]
    pub fn hop(mut self, name: &str) -> Self {
        self.manner().hop = Some(name.into());
        self
    }

    #[inline]
    pub(crate) fn hop_name(&self) -> Option<&Arc<str>> {
        self.0.as_ref()?.hop.as_ref()
    }

    fn hop_word(&self) -> Option<&str> {
        self.hop_name().map(|name| &**name)
    }

    fn manner(&mut self) -> &mut Manner {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    fn is(&self, so: impl FnOnce(&Manner) -> bool) -> bool {
        self.0.as_deref().is_some_and(so)
    }

    /// Tells clients which dialect, policy or line of code set the deadline, not only which kind of them.
    #[must_use]
    pub fn expose_origin(mut self) -> Self {
        self.manner().expose_origin = true;
        self
    }

    /// Leaves out `X-Retry-After: 0`, and `Retry-After: 1` where there was no connection.
    #[must_use]
    pub fn without_retry_after(mut self) -> Self {
        self.manner().without_retry_after = true;
        self
    }

    /// The answer to a request that was stopped. The [`Exceeded`] stands in its extensions, for outer layers.
    ///
    /// A wait for a connection that ends with 503 is told as overload: with `Retry-After: 1`, and to gRPC and Connect as
    /// code 8 (`RESOURCE_EXHAUSTED`).
    #[must_use]
    pub fn exceeded(&self, exceeded: &Exceeded, status: StatusCode, call: Call) -> Response<Bytes> {
        // Where another hop has stopped it, what that one says.
        let trail = Trail::of(exceeded, self.hop_word());
        let (title, detail) = words(exceeded);
        let plain = self.problem(title, status, &detail);
        let problem = Problem {
            stage: Some(trail.stage().as_str()),
            cause: Some(trail.cause().as_str()),
            origin: Some(trail.origin().as_str()),
            origin_detail: (self.is(|manner| manner.expose_origin) && is_known(exceeded))
                .then(|| exceeded.origin().detail().to_string()),
            origin_hop: trail.origin_hop(),
            budget_ms: Some(millis(exceeded.budget())),
            elapsed_ms: Some(millis(exceeded.elapsed())),
            hop: exceeded.trail().map_or(plain.hop, |_| trail.hop()),
            ..plain
        };
        let code = if is_overload(exceeded, status) { Code::of(status) } else { Code::of_cause(trail.cause()) };
        let mut response = problem.respond(code, call);
        trail.write(response.headers_mut());
        let retried =
            retry_after(exceeded, response.status()).filter(|_| !self.is(|manner| manner.without_retry_after));
        if let Some((name, value)) = retried {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(exceeded.clone());
        response
    }

    /// The answer to a request that was not let in. `status` is meant for one that came too late.
    #[must_use]
    pub fn refusal(&self, refusal: &Refusal, status: StatusCode, call: Call) -> Response<Bytes> {
        match refusal {
            Refusal::Exceeded(exceeded) => self.exceeded(exceeded, status, call),
            other => self.failure(StatusCode::BAD_REQUEST, &other.to_string(), call),
        }
    }

    /// An answer that has nothing to do with a deadline. A call of gRPC, gRPC-Web or Connect gets the code that stands
    /// for this status in the project's table: 13 for 400, 12 for 404 and 501, 14 for 502, 8 for 503, else 2.
    #[must_use]
    pub fn failure(&self, status: StatusCode, detail: &str, call: Call) -> Response<Bytes> {
        let title = status.canonical_reason().unwrap_or("Error");
        self.problem(title, status, detail).respond(Code::of(status), call)
    }

    fn problem<'a>(&'a self, title: &'a str, status: StatusCode, detail: &'a str) -> Problem<'a> {
        Problem {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            stage: None,
            cause: None,
            origin: None,
            origin_detail: None,
            origin_hop: None,
            budget_ms: None,
            elapsed_ms: None,
            hop: self.hop_word(),
        }
    }
}

/// In the extensions of an answer that an outgoing call has made up here, and that this hop has yet to sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undressed;

/// A problem document, in the order in which it is written.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin_detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin_hop: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hop: Option<&'a str>,
}

impl Problem<'_> {
    fn respond(&self, code: Code, call: Call) -> Response<Bytes> {
        let mut response = self.written(code, call);
        response.extensions_mut().insert(AnswerDetail::new(self.detail));
        response
    }

    fn written(&self, code: Code, call: Call) -> Response<Bytes> {
        match (call, call.media()) {
            (Call::Grpc | Call::GrpcWeb(_) | Call::GrpcWebText(_), Some(media)) => self.trailers_only(code, media),
            (Call::ConnectStream(_), Some(media)) => {
                answer(StatusCode::OK, media, connect::end_of_stream(code, self.detail))
            }
            // A stream of which nobody knows how to end it is told as one message is: by the status.
            (Call::Connect | Call::ConnectStream(_), _) => {
                answer(self.status(), "application/json", connect::error(code, self.detail))
            }
            _ => self.document(),
        }
    }

    fn document(&self) -> Response<Bytes> {
        // Text and numbers are all that is written, so there is no error to look at.
        let body = serde_json::to_vec(self).unwrap_or_default();
        answer(self.status(), "application/problem+json", body)
    }

    /// The answer of gRPC without a message: the status in the head, HTTP 200. That of gRPC-Web is the same: a second
    /// status, in the body, would be a second error to its clients (R36).
    fn trailers_only(&self, code: Code, media: &'static str) -> Response<Bytes> {
        let mut response = answer(StatusCode::OK, media, Vec::new());
        grpc::write_status(response.headers_mut(), code, self.detail);
        response
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or_default()
    }
}

fn answer(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Whether the limit that was kept is the one that is known here, and not one that a hop downstream had of its own.
fn is_known(exceeded: &Exceeded) -> bool {
    exceeded
        .trail()
        .is_none_or(|told| told.origin() == OriginKind::Header && told.origin_hop().is_none())
}

/// Whether this status tells of more requests than there are connections.
fn is_overload(exceeded: &Exceeded, status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE && (exceeded.stage(), exceeded.cause()) == (Stage::Pool, Cause::Deadline)
}

/// When to come again: after a timeout at once, after an overload in a second, the least that can be said (RFC 9110
/// §10.2.3).
fn retry_after(exceeded: &Exceeded, status: StatusCode) -> Option<(HeaderName, HeaderValue)> {
    let is_timeout = status == StatusCode::GATEWAY_TIMEOUT && exceeded.cause() == Cause::Deadline;
    let timeout = is_timeout.then(|| (X_RETRY_AFTER.clone(), HeaderValue::from_static("0")));
    timeout.or(is_overload(exceeded, status).then(|| (RETRY_AFTER, HeaderValue::from_static("1"))))
}

/// What is told of a request that was stopped: in a title, and in a sentence.
pub(crate) fn words(exceeded: &Exceeded) -> (&'static str, String) {
    let budget = millis(exceeded.budget());
    let (at, stage, cause) = match exceeded.trail() {
        Some(told) => (format!("at {} ", told.hop().unwrap_or("another hop")), told.stage(), told.cause()),
        None => (String::new(), exceeded.stage(), exceeded.cause()),
    };
    match cause {
        Cause::Deadline => ("Deadline exceeded", format!("deadline of {budget} ms exceeded {at}in stage {stage}")),
        cause => ("Request stopped", format!("stopped {at}in stage {stage}: {cause}")),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::now;
    use http_deadline::Deadline;
    use http_deadline::dialect::trail::DEADLINE_EXCEEDED;
    use http_deadline::dialect::{Codec, GRPC_MESSAGE, GRPC_STATUS};
    use serde_json::{Value, json};

    const MS: Duration = Duration::from_millis(1);

    fn exceeded() -> Exceeded {
        let deadline = Deadline::after(now(), 300 * MS);
        Exceeded::new(deadline, Stage::Handler, Cause::Deadline, now() + 301 * MS)
    }

    fn document(response: &Response<Bytes>) -> Value {
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        serde_json::from_slice(response.body()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn says_in_a_document_and_in_a_field_why_it_stopped() {
        let answers = Answers::new().hop("orders");
        let response = answers.exceeded(&exceeded(), StatusCode::GATEWAY_TIMEOUT, Call::Http);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let expected = json!({
            "type": "about:blank", "title": "Deadline exceeded", "status": 504,
            "detail": "deadline of 300 ms exceeded in stage handler",
            "stage": "handler", "cause": "deadline", "origin": "code",
            "budget_ms": 300, "elapsed_ms": 301, "hop": "orders",
        });
        assert_eq!(document(&response), expected);
        let field = r#"origin=code, stage=handler, cause=deadline, hop="orders""#;
        assert_eq!(response.headers()[&DEADLINE_EXCEEDED], field);
        assert_eq!(response.headers()[&X_RETRY_AFTER], "0");
        assert!(response.extensions().get::<Exceeded>().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_grpc_in_its_own_words() {
        let answers = Answers::new().hop("orders");
        let response = answers.exceeded(&exceeded(), StatusCode::GATEWAY_TIMEOUT, Call::Grpc);
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.body().is_empty());
        assert_eq!(response.headers()[&GRPC_STATUS], "4");
        assert_eq!(response.headers()[&GRPC_MESSAGE], "deadline of 300 ms exceeded in stage handler");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        assert!(response.headers().contains_key(&DEADLINE_EXCEEDED));
        assert!(!response.headers().contains_key(&X_RETRY_AFTER));
    }

    // R36
    #[tokio::test(start_paused = true)]
    async fn answers_grpc_web_in_the_head_alone_and_in_the_content_type_that_was_asked_for() {
        for (call, media) in [
            (Call::GrpcWeb(Codec::Proto), "application/grpc-web+proto"),
            (Call::GrpcWebText(Codec::Unnamed), "application/grpc-web-text"),
        ] {
            let response = Answers::new().exceeded(&exceeded(), StatusCode::GATEWAY_TIMEOUT, call);
            assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
            assert_eq!(response.headers()[CONTENT_TYPE], media);
            assert_eq!(response.headers()[&GRPC_STATUS], "4");
            assert!(response.headers().contains_key(&DEADLINE_EXCEEDED));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_connect_by_a_status_and_an_error() {
        let stopped = exceeded();
        for call in [Call::Connect, Call::ConnectStream(Codec::Other)] {
            let response = Answers::new().exceeded(&stopped, StatusCode::GATEWAY_TIMEOUT, call);
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
            assert!(response.headers().contains_key(&DEADLINE_EXCEEDED));
            let error: Value = serde_json::from_slice(response.body()).unwrap();
            let message = "deadline of 300 ms exceeded in stage handler";
            assert_eq!(error, json!({"code": "deadline_exceeded", "message": message}));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_a_stream_of_connect_by_its_last_envelope() {
        let call = Call::ConnectStream(Codec::Json);
        let response = Answers::new().failure(StatusCode::BAD_GATEWAY, "upstream cannot be reached", call);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/connect+json");
        let (prefix, message) = response.body().split_at(5);
        assert_eq!(prefix, [2, 0, 0, 0, u8::try_from(message.len()).unwrap()]);
        let told: Value = serde_json::from_slice(message).unwrap();
        assert_eq!(told, json!({"error": {"code": "unavailable", "message": "upstream cannot be reached"}}));
    }

    #[tokio::test(start_paused = true)]
    async fn the_inside_is_told_only_where_it_may_be() {
        let (status, open) = (StatusCode::GATEWAY_TIMEOUT, Answers::new().expose_origin());
        let told = document(&open.exceeded(&exceeded(), status, Call::Http));
        let line = told["origin_detail"].as_str().unwrap();
        assert!(line.starts_with(file!()), "{line}");
        let shy = document(&Answers::new().exceeded(&exceeded(), status, Call::Http));
        assert!(!shy.to_string().contains(file!()), "{shy}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_of_the_policys_own_is_used_and_retrying_is_advised_on_a_504_only() {
        let teapot = Answers::new().exceeded(&exceeded(), StatusCode::IM_A_TEAPOT, Call::Http);
        assert_eq!(teapot.status(), StatusCode::IM_A_TEAPOT);
        assert!(!teapot.headers().contains_key(&X_RETRY_AFTER));
        let quiet = Answers::new().without_retry_after();
        let quiet = quiet.exceeded(&exceeded(), StatusCode::GATEWAY_TIMEOUT, Call::Http);
        assert!(!quiet.headers().contains_key(&X_RETRY_AFTER));
    }

    fn waiting(stage: Stage, cause: Cause) -> Exceeded {
        Exceeded::new(Deadline::after(now(), 300 * MS), stage, cause, now() + 300 * MS)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_connection_that_ends_with_503_is_told_as_overload() {
        let waited = waiting(Stage::Pool, Cause::Deadline);
        let answer = Answers::new().exceeded(&waited, StatusCode::SERVICE_UNAVAILABLE, Call::Http);
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        assert!(!answer.headers().contains_key(&X_RETRY_AFTER), "at once is too soon");
        assert_eq!(answer.headers()[&DEADLINE_EXCEEDED], "origin=code, stage=pool, cause=deadline");
        let answer = Answers::new().exceeded(&waited, StatusCode::SERVICE_UNAVAILABLE, Call::Grpc);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[&GRPC_STATUS], "8");
        assert!(!answer.headers().contains_key(RETRY_AFTER), "it is for statuses of HTTP");
        let answer = Answers::new().exceeded(&waited, StatusCode::SERVICE_UNAVAILABLE, Call::Connect);
        let error: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(error["code"], "resource_exhausted");
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        let quiet = Answers::new().without_retry_after();
        let quiet = quiet.exceeded(&waited, StatusCode::SERVICE_UNAVAILABLE, Call::Http);
        assert!(!quiet.headers().contains_key(RETRY_AFTER));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_wait_for_a_connection_or_no_503_is_no_overload() {
        for (stage, cause, status, code) in [
            (Stage::Pool, Cause::Deadline, StatusCode::GATEWAY_TIMEOUT, "4"),
            (Stage::Connect, Cause::Deadline, StatusCode::SERVICE_UNAVAILABLE, "4"),
            (Stage::Pool, Cause::Shutdown, StatusCode::SERVICE_UNAVAILABLE, "14"),
        ] {
            let stopped = waiting(stage, cause);
            let answer = Answers::new().exceeded(&stopped, status, Call::Http);
            assert!(!answer.headers().contains_key(RETRY_AFTER), "{stage}, {cause}, {status}");
            let answer = Answers::new().exceeded(&stopped, status, Call::Grpc);
            assert_eq!(answer.headers()[&GRPC_STATUS], code, "{stage}, {cause}, {status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_cause_is_not_told_as_a_deadline() {
        for (cause, code) in [(Cause::Shutdown, "14"), (Cause::ClientGone, "1"), (Cause::Cancelled, "1")] {
            let stopped = Exceeded::new(Deadline::after(now(), 300 * MS), Stage::Queue, cause, now());
            let told = document(&Answers::new().exceeded(&stopped, StatusCode::GATEWAY_TIMEOUT, Call::Http));
            assert_eq!((&told["title"], &told["cause"]), (&json!("Request stopped"), &json!(cause.as_str())));
            let answer = Answers::new().exceeded(&stopped, StatusCode::GATEWAY_TIMEOUT, Call::Http);
            assert!(!answer.headers().contains_key(&X_RETRY_AFTER), "it would not help");
            let answer = Answers::new().exceeded(&stopped, StatusCode::GATEWAY_TIMEOUT, Call::Grpc);
            assert_eq!(answer.headers()[&GRPC_STATUS], code);
        }
    }

    #[test]
    fn each_status_has_its_code() {
        let answers = Answers::new();
        for (status, code) in [(400, "13"), (404, "12"), (501, "12"), (502, "14"), (503, "8"), (500, "2")] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = answers.failure(status, "100% \u{e9}", Call::Grpc);
            assert_eq!(response.headers()[&GRPC_STATUS], code);
            assert_eq!(response.headers()[&GRPC_MESSAGE], "100%25 %C3%A9");
        }
    }

    #[test]
    fn a_missing_field_is_a_bad_request() {
        let response = Answers::new().refusal(&Refusal::Missing, StatusCode::GATEWAY_TIMEOUT, Call::Http);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(document(&response)["title"], "Bad Request");
    }
}

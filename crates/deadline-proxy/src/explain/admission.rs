//! What a request is held to: the words for what [`DeadlineLayer`](tower_deadline::DeadlineLayer) decides right after.
//!
//! Asks the same functions of the same policy, dialects and fields, so it cannot come to something else.

use std::fmt::Write;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower_deadline::dialect::request_start;
use tower_deadline::{Dialect, Dialects, Policy, Refusal, now};

use super::{is_heard, tell};

/// Tells by which policy a request is held to which deadline, and why.
pub(crate) fn admission<B>(policy: &Policy, dialects: &Dialects, request: &Request<B>) {
    if !is_heard() {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "queue time is told by wall clocks")]
    let wall = SystemTime::now();
    tell!("policy: {}", limits(policy));
    tell!("deadline: {}", Admission { policy, dialects, wall, now: now() }.of(request.headers()));
}

/// What a policy says, where it says something.
fn limits(policy: &Policy) -> String {
    let shown = |limit: Option<_>| limit.map_or_else(|| "none".to_owned(), |limit| format!("{limit:?}"));
    let (default, most) = (shown(policy.timeout()), shown(policy.cap()));
    let mut words = format!("{}: default {default}, at most {most}", policy.name());
    // Writing to a string does not fail.
    for (what, limit) in [("at least", policy.least()), ("reserve", policy.reserved())] {
        if !limit.is_zero() {
            let _ = write!(words, ", {what} {limit:?}");
        }
    }
    words += if policy.requires_outgoing() { ", no call without a deadline" } else { "" };
    words + if policy.is_observed() { ", observed only" } else { "" }
}

struct Admission<'a> {
    policy: &'a Policy,
    dialects: &'a Dialects,
    wall: SystemTime,
    now: Instant,
}

impl Admission<'_> {
    /// What is asked, what is granted, and what it comes to.
    fn of(&self, headers: &HeaderMap) -> String {
        let asked = self.dialects.read(headers, self.wall);
        let mut words: Vec<_> = headers.iter().flat_map(|(name, value)| self.said(name, value)).collect();
        if asked.strictest().is_none() {
            words.push("no field asks for one".to_owned());
        }
        let comes_to = match self.policy.admit(&asked, self.now) {
            Ok(admitted) => {
                words.push(self.granted(asked.strictest().is_some(), admitted.truncated()));
                words
                    .extend(admitted.would_refuse().map(|refusal| format!("observed, else {}", self.refused(refusal))));
                admitted.deadline().map_or_else(|| "none".to_owned(), |deadline| format!("{:?}", deadline.budget()))
            }
            Err(refusal) => self.refused(&refusal),
        };
        format!("{}: {comes_to}", words.join("; "))
    }

    /// What one line of a field says of deadlines.
    fn said(&self, name: &HeaderName, value: &HeaderValue) -> Vec<String> {
        let asked = self.dialects.read(&HeaderMap::from_iter([(name.clone(), value.clone())]), self.wall);
        let mut said = Vec::new();
        if let Some(malformed) = asked.malformed() {
            said.push(malformed.to_string());
        }
        if let Some((timeout, _)) = asked.strictest() {
            said.push(format!("{name} asks {timeout:?}"));
        }
        if !asked.queued().is_zero() {
            said.push(format!("{name} tells of {:?} in a queue", asked.queued()));
        }
        if said.is_empty() {
            said.extend(self.ignored(name, value).map(|why| format!("{name} is ignored: {why}")));
        }
        said
    }

    /// Why a field that concerns deadlines says nothing.
    fn ignored(&self, name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
        let decode = |dialect| self.dialects.decode(dialect, value.as_bytes(), self.wall);
        match Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == name) {
            Some(dialect) if matches!(decode(dialect), Ok(None)) => Some("zero is no limit there"),
            Some(_) => Some("it is not read here"),
            None => (name == request_start::NAME).then_some("it tells of no time in a queue"),
        }
    }

    fn granted(&self, is_asked: bool, is_cut: bool) -> String {
        let (policy, name) = (self.policy, self.policy.name());
        match (is_asked, policy.cap()) {
            (false, _) if policy.timeout().is_some() => format!("policy {name} gives its default"),
            (true, Some(most)) if is_cut => format!("policy {name} grants at most {most:?}"),
            (true, Some(most)) => format!("policy {name} grants up to {most:?}"),
            (false, Some(_)) => format!("policy {name} gives its most"),
            (true, None) => format!("policy {name} sets no limit"),
            (false, None) => format!("policy {name} gives none"),
        }
    }

    fn refused(&self, refusal: &Refusal) -> String {
        let least = self.policy.least();
        match refusal {
            Refusal::Malformed(malformed) => format!("refused for {}", malformed.name()),
            Refusal::Exceeded(_) if least.is_zero() => "refused, nothing is left of it".to_owned(),
            Refusal::Exceeded(_) => format!("refused, less than the least of {least:?} is left of it"),
            Refusal::Missing => "refused, a field is wanted".to_owned(),
            other => format!("refused, {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::Response;
    use http_body_util::Empty;
    use std::convert::Infallible;
    use std::time::{Duration, UNIX_EPOCH};
    use tower::{ServiceBuilder, ServiceExt};
    use tower_deadline::{Deadline, DeadlineLayer, Mode, OnInvalid, OnMissing, WatchedBody};

    const SECOND: Duration = Duration::from_secs(1);

    fn told(policy: &Policy, dialects: &Dialects, headers: &HeaderMap) -> String {
        // The front has seen it 250 ms before.
        let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        Admission { policy, dialects, wall, now: now() }.of(headers)
    }

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().copied();
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_and_what_is_granted_is_told_with_what_it_comes_to() {
        let payment = Policy::new().named("payment").default_timeout(3 * SECOND);
        let report = Policy::new().named("report").max(600 * SECOND).min(SECOND / 200);
        let strict = payment.clone().on_missing(OnMissing::Reject);
        let lax = payment.clone().on_invalid(OnInvalid::Ignore);
        let trial = report.clone().mode(Mode::Observe);
        for (policy, lines, expected) in [
            (&payment, &[][..], "no field asks for one; policy payment gives its default: 3s"),
            (&report, &[], "no field asks for one; policy report gives its most: 600s"),
            (&Policy::new(), &[], "no field asks for one; policy default gives none: none"),
            (
                &payment,
                &[("x-request-timeout", "5s")],
                "x-request-timeout asks 5s; policy payment grants at most 3s: 3s",
            ),
            (
                &payment,
                &[("x-request-timeout", "2s"), ("grpc-timeout", "300m")],
                "x-request-timeout asks 2s; grpc-timeout asks 300ms; policy payment grants up to 3s: 300ms",
            ),
            (
                &Policy::new(),
                &[("x-request-timeout", "2s")],
                "x-request-timeout asks 2s; policy default sets no limit: 2s",
            ),
            (
                &payment,
                &[("x-request-timeout", "soon")],
                "x-request-timeout: \"soon\" is not a duration such as 300ms, 1.5s or 1h30m; no field asks for one: \
                 refused for x-request-timeout",
            ),
            (
                &lax,
                &[("x-request-timeout", "soon, 1s")],
                "x-request-timeout: \"soon\" is not a duration such as 300ms, 1.5s or 1h30m; x-request-timeout asks 1s; \
                 policy payment grants up to 3s: 1s",
            ),
            (&payment, &[("x-request-timeout", "0")], "x-request-timeout asks 0ns: refused, nothing is left of it"),
            (
                &report,
                &[("x-request-timeout", "4ms")],
                "x-request-timeout asks 4ms: refused, less than the least of 5ms is left of it",
            ),
            (&strict, &[], "no field asks for one: refused, a field is wanted"),
            (
                &trial,
                &[("x-request-timeout", "4ms")],
                "x-request-timeout asks 4ms; policy report grants up to 600s; observed, else refused, less than the \
                 least of 5ms is left of it: 4ms",
            ),
            (
                &payment,
                &[("x-envoy-upstream-rq-timeout-ms", "0"), ("x-request-deadline", "1700000000750")],
                "x-envoy-upstream-rq-timeout-ms is ignored: zero is no limit there; x-request-deadline is ignored: it \
                 is not read here; no field asks for one; policy payment gives its default: 3s",
            ),
        ] {
            assert_eq!(told(policy, &Dialects::default(), &fields(lines)), expected);
        }
        let trusting = Dialects::default().trust_request_start(true);
        let queued = fields(&[("x-request-start", "t=1700000000.250")]);
        assert_eq!(
            told(&payment, &trusting, &queued),
            "x-request-start tells of 250ms in a queue; no field asks for one; policy payment gives its default: 2.75s"
        );
        assert!(told(&payment, &Dialects::default(), &queued).contains("x-request-start is ignored: "));
    }

    #[test]
    fn a_policy_is_told_with_what_it_says() {
        let policy = Policy::new().named("report").default_timeout(3 * SECOND).max(30 * SECOND).min(SECOND / 200);
        assert_eq!(limits(&policy), "report: default 3s, at most 30s, at least 5ms");
        let trial = Policy::new().reserve(SECOND / 20).mode(Mode::Observe);
        assert_eq!(limits(&trial), "default: default none, at most none, reserve 50ms, observed only");
    }

    /// Fields as strangers send them: valid, malformed, several at once.
    fn some_fields(random: &mut fastrand::Rng) -> HeaderMap {
        let names = Dialect::ALL.map(Dialect::as_str).into_iter().chain([request_start::NAME, "accept"]);
        let names: Vec<_> = names.collect();
        let values = ["300ms", "1.5s", "0", "250", "5S", "300m", "", "soon", "1s, 2s", "x, 7ms", "-1", "99999999999"];
        let line = |random: &mut fastrand::Rng| {
            let name = HeaderName::from_static(names[random.usize(..names.len())]);
            (name, HeaderValue::from_static(values[random.usize(..values.len())]))
        };
        let mut fields = HeaderMap::new();
        for _ in 0..random.usize(..4) {
            let (name, value) = line(random);
            fields.append(name, value);
        }
        fields
    }

    fn some_policy(random: &mut fastrand::Rng) -> Policy {
        let mut policy = Policy::new();
        if random.bool() {
            policy = policy.default_timeout(SECOND * random.u32(1..3) / 2);
        }
        if random.bool() {
            policy = policy.max(SECOND * random.u32(3..5) / 2);
        }
        if random.bool() {
            policy = policy.min(SECOND / 100);
        }
        policy
            .on_invalid(if random.bool() { OnInvalid::Reject } else { OnInvalid::Ignore })
            .on_missing(if random.u8(..4) > 0 { OnMissing::Allow } else { OnMissing::Reject })
            .mode(if random.u8(..4) > 0 { Mode::Enforce } else { Mode::Observe })
    }

    /// What the layer makes of it: a budget, none, or a refusal.
    async fn done(policy: &Policy, headers: &HeaderMap) -> String {
        let service = ServiceBuilder::new().layer(DeadlineLayer::new(policy.clone())).service_fn(
            |request: Request<WatchedBody<Empty<Bytes>>>| async move {
                let budget = request.extensions().get::<Deadline>().map(|deadline| deadline.budget());
                let mut answer = Response::new(Empty::<Bytes>::new());
                answer.extensions_mut().insert(budget.map_or("none".to_owned(), |budget| format!("{budget:?}")));
                Ok::<_, Infallible>(answer)
            },
        );
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = headers.clone();
        let answer = service.oneshot(request).await.unwrap();
        answer.extensions().get().cloned().unwrap_or_else(|| "refused".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_is_what_the_layer_does() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut refused = 0;
        for _ in 0..20_000 {
            let (policy, headers) = (some_policy(&mut random), some_fields(&mut random));
            let (told, done) = (told(&policy, &Dialects::default(), &headers), done(&policy, &headers).await);
            let (_, comes_to) = told.rsplit_once(": ").unwrap();
            let agrees = comes_to == done || done == "refused" && comes_to.starts_with(&done);
            assert!(agrees, "{told} and {done}: {policy:?} {headers:?}");
            refused += usize::from(done == "refused");
        }
        assert!((2_000..18_000).contains(&refused), "{refused}");
    }
}

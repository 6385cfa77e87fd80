//! One hop: fields are read, the nominated ones go, what is left is written (R9).

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue};
use http_deadline::{Dialect, Dialects, Policy};
use serde_json::Value;

use super::file::Case;
use super::{append, now};

pub(super) fn is_passed(case: &mut Case) {
    match case.given.fields("response_headers") {
        Some(fields) => leaves_a_response(&headers(fields), case),
        None => leaves_a_request(case),
    }
}

fn leaves_a_response(headers: &HeaderMap, case: &mut Case) {
    let mut answer = headers.clone();
    Dialects::default().strip(&mut answer);
    for name in case.expected.texts("response_absent").unwrap() {
        assert!(headers.contains_key(&name), "{} {name}", case.id);
        assert!(!answer.contains_key(&name), "{} {name}", case.id);
    }
}

fn leaves_a_request(case: &mut Case) {
    let mut headers = headers(case.given.fields("headers").unwrap());
    let dialects = Dialects::default();
    let (arrived, asked) = (now(), dialects.read(&headers, UNIX_EPOCH));
    let admitted = Policy::new().admit(&asked, arrived).unwrap();
    let deadline = admitted.deadline().unwrap();
    let later = arrived + case.given.millis("elapsed_ms").unwrap_or_default();
    strip_nominated(&mut headers);
    let written = dialects.write(&mut headers, deadline.remaining(later), UNIX_EPOCH);
    assert_eq!(written, Ok(()), "{}", case.id);
    if let Some(budget) = case.expected.millis("deadline_ms") {
        assert_eq!(deadline.budget(), budget, "{}", case.id);
    }
    is_forwarded(&headers, case);
}

fn is_forwarded(headers: &HeaderMap, case: &mut Case) {
    let timeouts = timeouts(headers);
    for (name, most) in bounds(case) {
        let within = Duration::from_nanos(1)..=most;
        assert!(within.contains(&timeouts[name.as_str()]), "{} {name}", case.id);
    }
    for name in case.expected.texts("absent").unwrap_or_default() {
        assert!(!headers.contains_key(&name), "{} {name}", case.id);
    }
    if let Some(most) = case.expected.millis("every_forwarded_dialect_ms_max") {
        let within = timeouts.values().all(|timeout| *timeout <= most);
        assert!(within && !timeouts.is_empty(), "{} {timeouts:?}", case.id);
    }
    if let Some(count) = case.expected.integer("count") {
        assert_eq!(timeouts.len() as i64, count, "{}", case.id);
    }
}

/// What has to be forwarded, and the most it may say: `<=300ms`.
fn bounds(case: &mut Case) -> Vec<(String, Duration)> {
    let Some(Value::Object(forwarded)) = case.expected.take("forwarded") else {
        return Vec::new();
    };
    let bound = |(name, most): (String, Value)| {
        let most = most.as_str().unwrap().strip_prefix("<=").unwrap();
        (name, decoded(Dialect::XRequestTimeout, most.as_bytes()))
    };
    forwarded.into_iter().map(bound).collect()
}

/// Every deadline field, and that none of them is doubled.
fn timeouts(headers: &HeaderMap) -> BTreeMap<&'static str, Duration> {
    let mut timeouts = BTreeMap::new();
    for dialect in Dialect::ALL {
        for value in headers.get_all(dialect.as_str()) {
            let timeout = decoded(dialect, value.as_bytes());
            let doubled = timeouts.insert(dialect.as_str(), timeout);
            assert_eq!(doubled, None, "{dialect}");
        }
    }
    timeouts
}

fn decoded(dialect: Dialect, element: &[u8]) -> Duration {
    dialect.decode(element, UNIX_EPOCH).unwrap().unwrap()
}

/// What a proxy does between reading and writing (R30), as far as these cases need it.
fn strip_nominated(headers: &mut HeaderMap) {
    let lines: Vec<HeaderValue> = headers.get_all("connection").iter().cloned().collect();
    headers.remove("connection");
    for name in lines.iter().flat_map(|line| line.to_str().unwrap().split(',')) {
        headers.remove(name.trim());
    }
}

fn headers(fields: Vec<(String, String)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        append(&mut headers, &name, &value);
    }
    headers
}

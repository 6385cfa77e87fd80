//! The shared vectors, every case of every file.

use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use http_deadline::dialect::{MAX_TIMEOUT, request_start};
use http_deadline::{Deadline, Dialect, Dialects, OnInvalid, Policy, Refusal, whole_millis};

use self::file::{Case, each, each_but, texts};

mod file;
mod hop;

/// What the layers prove: the phases in which a deadline strikes.
const FILES_PROVED_ELSEWHERE: [&str; 1] = ["expiry_phase"];

/// What the layers prove: trailers come with a response body.
const CASES_PROVED_ELSEWHERE: [&str; 1] = ["deadline_header_hop_safety-010"];

#[test]
fn no_vector_file_is_passed_over() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let included = format!("include_str!(\"../vectors/{name}.json\")");
        let here = include_str!("vectors.rs").contains(&included);
        assert_ne!(here, FILES_PROVED_ELSEWHERE.contains(&name), "{name}");
    }
    for name in FILES_PROVED_ELSEWHERE {
        assert!(folder.join(name).with_extension("json").exists(), "{name}");
    }
}

// R5
#[test]
fn grpc_timeouts_are_read() {
    let text = include_str!("../vectors/grpc_timeout_decode.json");
    each(text, |case| is_read(Dialect::GrpcTimeout, case));
}

// R5
#[test]
fn request_timeouts_are_read() {
    let text = include_str!("../vectors/x_request_timeout.json");
    each(text, |case| is_read(Dialect::XRequestTimeout, case));
}

fn is_read(dialect: Dialect, case: &mut Case) {
    let element = case.given.text("value").unwrap();
    let decoded = dialect.decode(element.as_bytes(), UNIX_EPOCH).ok();
    let expected = case.expected.nanos("ns");
    assert_eq!(decoded, expected.map(Some), "{} {element:?}", case.id);
    assert_eq!(case.expected.flag("error"), decoded.is_none(), "{}", case.id);
    if case.expected.flag("clamped") {
        assert_eq!(decoded, Some(Some(MAX_TIMEOUT)), "{}", case.id);
    }
}

// R4
#[test]
fn grpc_timeouts_are_written() {
    let text = include_str!("../vectors/grpc_timeout_encode.json");
    each(text, is_written);
}

fn is_written(case: &mut Case) {
    let (deadline, now) = due_in(case.given.integer("ns").unwrap());
    let encode = |left| Dialect::GrpcTimeout.encode(left, UNIX_EPOCH);
    let written = deadline.checked_remaining(now).and_then(encode);
    let text = written.map(|encoded| encoded.to_string());
    assert_eq!(text, case.expected.text("header"), "{}", case.id);
    // A caller that does not check is not led astray either.
    assert_eq!(encode(deadline.remaining(now)), written, "{}", case.id);
    let fails = case.expected.flag("fail_fast");
    assert_eq!(fails, written.is_none(), "{}", case.id);
}

// R5, R6
#[test]
fn of_several_fields_the_strictest_is_taken() {
    let text = include_str!("../vectors/x_request_timeout_multi.json");
    each(text, is_the_strictest);
}

fn is_the_strictest(case: &mut Case) {
    let mut headers = HeaderMap::new();
    for (name, values) in case.given.take_all() {
        for value in texts(values) {
            append(&mut headers, &name, &value);
        }
    }
    let asked = Dialects::default().read(&headers, UNIX_EPOCH);
    let timeout = asked.strictest().map(|(timeout, _)| timeout);
    assert_eq!(timeout, case.expected.nanos("ns"), "{}", case.id);
    let garbled = asked.malformed().is_some();
    assert_eq!(case.expected.flag("error"), timeout.is_none() && garbled, "{}", case.id);
    assert_eq!(case.expected.flag("absent"), timeout.is_none() && !garbled, "{}", case.id);
    let refused = |policy: Policy| matches!(policy.admit(&asked, now()), Err(Refusal::Malformed(_)));
    assert_eq!(refused(Policy::new()), garbled, "{}: rejected by default", case.id);
    assert!(!refused(Policy::new().on_invalid(OnInvalid::Ignore)), "{}: ignored on demand", case.id);
}

// R8
#[test]
fn queue_time_is_told_by_the_stamp() {
    let text = include_str!("../vectors/x_request_start.json");
    each(text, has_queued);
}

fn has_queued(case: &mut Case) {
    let stamp = case.given.text("value").unwrap();
    let micros = case.given.integer("now_epoch_us").unwrap().unsigned_abs();
    let wall = UNIX_EPOCH + Duration::from_micros(micros);
    let queued = request_start::queued(stamp.as_bytes(), wall);
    let expected = case.expected.integer("queue_us");
    let expected = expected.map(|micros| Duration::from_micros(micros.unsigned_abs()));
    assert_eq!(queued, expected, "{} {stamp:?}", case.id);
    assert_eq!(case.expected.flag("absent"), queued.is_none(), "{}", case.id);
    if let Some(clamped) = case.expected.text("clamped") {
        assert_eq!((clamped.as_str(), queued), ("future", Some(Duration::ZERO)));
    }
    let mut headers = HeaderMap::new();
    append(&mut headers, request_start::NAME, &stamp);
    let trusting = Dialects::default().trust_request_start(true);
    let read = |dialects: &Dialects| dialects.read(&headers, wall).queued();
    assert_eq!(read(&trusting), queued.unwrap_or_default(), "{}", case.id);
    assert_eq!(read(&Dialects::default()), Duration::ZERO, "{}", case.id);
}

// R40
#[test]
fn a_statement_gets_whole_milliseconds_and_never_zero() {
    let text = include_str!("../vectors/sql_timeout_mapping.json");
    each(text, fits_a_statement);
}

fn fits_a_statement(case: &mut Case) {
    let (deadline, now) = due_in(case.given.integer("remaining_ns").unwrap());
    let reserve = case.given.nanos("reserve_ns").unwrap();
    let millis = |left| whole_millis(left, i32::MAX.unsigned_abs().into()).map(u64::from);
    let statement = millis(deadline.reserve(reserve).remaining(now));
    let subtracted = millis(deadline.remaining(now).saturating_sub(reserve));
    assert_eq!(statement, subtracted, "{}", case.id);
    let expected = case.expected.millis("statement_timeout_ms");
    let statement = statement.map(Duration::from_millis);
    assert_eq!(statement, expected, "{}", case.id);
    let fails = case.expected.flag("fail_before_send");
    assert_eq!(fails, statement.is_none(), "{}", case.id);
}

// R9
#[test]
fn no_hop_loses_or_doubles_a_deadline_field() {
    let text = include_str!("../vectors/deadline_header_hop_safety.json");
    each_but(&CASES_PROVED_ELSEWHERE, text, hop::is_passed);
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    let name: HeaderName = name.parse().unwrap();
    headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
}

/// A deadline, and a now from which it is this far; below zero, it has passed.
fn due_in(nanos: i64) -> (Deadline, Instant) {
    let (start, distance) = (now(), Duration::from_nanos(nanos.unsigned_abs()));
    if nanos < 0 { (Deadline::at(start), start + distance) } else { (Deadline::after(start, distance), start) }
}

#[expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]
fn now() -> Instant {
    Instant::now()
}

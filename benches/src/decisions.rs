//! What needs no service: dialects, headers and arithmetic.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, Request};
use http_deadline::{Deadline, Dialect, Dialects, Policy};
use tower_deadline::now;

use crate::Work;
use crate::messages::{Body, LONG, headers};

/// Something that is done once, and its value dropped.
pub(crate) fn once<T>(mut work: impl FnMut() -> T + 'static) -> Work {
    let mut done = false;
    Box::new(move || {
        if !std::mem::replace(&mut done, true) {
            drop(black_box(work()));
        }
    })
}

/// 2023-11-14T22:13:20Z
const WALL: Duration = Duration::from_secs(1_700_000_000);

fn wall() -> SystemTime {
    UNIX_EPOCH + WALL
}

/// A timeout as a client may write it.
fn element(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::XRequestTimeout => b"1.5s",
        Dialect::GrpcTimeout => b"1500m",
        Dialect::XRequestDeadline => b"2023-11-14T22:13:21.5Z",
        _ => b"1500",
    }
}

pub(crate) fn decode(dialect: Dialect) -> Work {
    let dialects = Dialects::default();
    once(move || dialects.decode(dialect, black_box(element(dialect)), wall()))
}

pub(crate) fn encode(dialect: Dialect) -> Work {
    once(move || dialect.encode(black_box(LONG), wall()))
}

/// Encoded, and made a value of a field.
pub(crate) fn value(dialect: Dialect) -> Work {
    once(move || dialect.encode(black_box(LONG), wall()).map(|encoded| HeaderValue::try_from(&encoded)))
}

/// Every field of a request, looked at for what concerns deadlines.
pub(crate) fn read(request: Request<Body>) -> Work {
    let (dialects, headers) = (Dialects::default(), headers(request));
    once(move || dialects.read(black_box(&headers), UNIX_EPOCH))
}

/// What is left, written into the fields of a request.
pub(crate) fn write(request: Request<Body>) -> Work {
    with_headers(request, |dialects, headers| dialects.write(headers, black_box(LONG), UNIX_EPOCH).is_ok())
}

/// What concerns deadlines, removed from the fields of a request.
pub(crate) fn strip(request: Request<Body>) -> Work {
    with_headers(request, |dialects, headers| dialects.strip(headers))
}

fn with_headers<T>(request: Request<Body>, work: impl Fn(&Dialects, &mut HeaderMap) -> T + 'static) -> Work {
    let (dialects, mut headers) = (Dialects::default(), headers(request));
    once(move || work(&dialects, black_box(&mut headers)))
}

/// The decision on a request with these fields.
pub(crate) fn admit(policy: Policy, request: Request<Body>) -> Work {
    let asked = Dialects::default().read(&headers(request), UNIX_EPOCH);
    let at = now();
    once(move || policy.admit(black_box(&asked), at))
}

/// What is left of the sooner of two deadlines, without a reserve.
pub(crate) fn remaining() -> Work {
    let at = now();
    let (own, inherited) = (Deadline::after(at, LONG), Deadline::after(at, LONG / 2));
    once(move || black_box(own).sooner(black_box(inherited)).reserve(LONG / 100).checked_remaining(at))
}

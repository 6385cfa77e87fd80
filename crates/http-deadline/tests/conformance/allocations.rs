//! Reading and encoding allocate nothing; a header value costs one allocation.

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use allocation_counter::measure;
use http::{HeaderMap, HeaderValue};
use http_deadline::dialect::{Encoded, request_start};
use http_deadline::{Dialect, Dialects};

/// Valid elements of every dialect, the longest among them.
const VALID: [(Dialect, &str); 9] = [
    (Dialect::XRequestTimeout, " \t1h30m.0000000000000000000001us\t"),
    (Dialect::XRequestTimeout, "99999999999999999999999999999999"),
    (Dialect::GrpcTimeout, "99999999H"),
    (Dialect::EnvoyExpected, "250"),
    (Dialect::EnvoyExpected, "0"),
    (Dialect::EnvoyUpstream, "99999999999999999999999999999999"),
    (Dialect::ConnectTimeout, "9999999999"),
    (Dialect::XRequestDeadline, "2023-11-14T23:13:20.500000+01:00"),
    (Dialect::XRequestDeadline, "1700000000500"),
];

const LEFT: Duration = Duration::from_millis(180);

/// 2023-11-14T22:13:20Z
fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// How often `work` allocates, whatever it frees again.
fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    let work = || {
        black_box(work());
    };
    measure(work).count_total
}

fn reading_all() -> Dialects {
    Dialects::default().with_read(Dialect::XRequestDeadline).trust_request_start(true)
}

/// A field for each valid element, and a stamp.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (dialect, element) in VALID {
        headers.append(dialect.as_str(), HeaderValue::from_static(element));
    }
    headers.append(request_start::NAME, HeaderValue::from_static("t=1700000000.250"));
    headers
}

fn encoded(dialect: Dialect) -> Encoded {
    dialect.encode(LEFT, wall()).unwrap()
}

#[test]
fn an_allocation_is_counted() {
    assert_eq!(allocations(|| Box::new(1_u8)), 1);
    assert_eq!(allocations(|| {}), 0);
    // A malformed element is kept to be shown, which is seen from here.
    assert_eq!(allocations(|| Dialect::GrpcTimeout.decode(b"5", wall())), 1);
}

#[test]
fn decoding_allocates_nothing() {
    for (dialect, element) in VALID {
        let decode = || dialect.decode(black_box(element.as_bytes()), wall());
        assert!(decode().is_ok(), "{dialect}: {element}");
        assert_eq!(allocations(decode), 0, "{dialect}: {element}");
    }
}

#[test]
fn reading_all_fields_allocates_nothing() {
    let (headers, dialects) = (headers(), reading_all());
    assert!(Dialect::ALL.iter().all(|dialect| headers.contains_key(dialect.as_str())));
    assert!(dialects.read(&headers, wall()).malformed().is_none());
    assert_eq!(allocations(|| dialects.read(&headers, wall())), 0);
}

// R4
#[test]
fn encoding_allocates_nothing() {
    for dialect in Dialect::ALL {
        for left in [Duration::ZERO, LEFT, Duration::MAX] {
            let count = allocations(|| dialect.encode(left, wall()));
            assert_eq!(count, 0, "{dialect} {left:?}");
        }
    }
    assert_eq!(allocations(|| request_start::encode(wall())), 0);
}

// R4
#[test]
fn a_header_value_costs_one_allocation() {
    for dialect in Dialect::ALL {
        let encoded = encoded(dialect);
        let count = allocations(|| HeaderValue::try_from(&encoded));
        assert_eq!(count, 1, "{dialect}");
    }
}

// R4, R9
#[test]
fn writing_costs_one_allocation_a_field() {
    let dialects = Dialects::default().with_write(Dialect::EnvoyExpected);
    let mut headers = headers();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    let count = allocations(|| dialects.write(&mut headers, LEFT, wall()));
    assert_eq!((count, headers.len()), (3, 4), "{headers:?}");
}

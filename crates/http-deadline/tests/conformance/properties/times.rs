//! Durations and wall clocks, with every boundary among them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_deadline::dialect::MAX_TIMEOUT;
use proptest::prelude::*;
use proptest::sample::select;

pub(super) const MILLI: u128 = 1_000_000;
pub(super) const SECOND: u128 = 1_000 * MILLI;
pub(super) const MINUTE: u128 = 60 * SECOND;
pub(super) const HOUR: u128 = 60 * MINUTE;

/// Of `grpc-timeout`, finest first.
pub(super) const GRPC_UNITS: [(&str, u128); 6] =
    [("n", 1), ("u", 1_000), ("m", MILLI), ("S", SECOND), ("M", MINUTE), ("H", HOUR)];

/// What eight digits no longer hold.
pub(super) const GRPC_END: u128 = 100_000_000;

/// The most that ten digits of milliseconds say.
pub(super) const CONNECT_MOST: u128 = 9_999_999_999 * MILLI;

/// The last nanosecond of the year 9999, the last year of RFC 3339.
pub(super) const LAST: i128 = 253_402_300_800 * 1_000_000_000 - 1;

/// How far past an instant may lie, by default.
pub(super) const MAX_SKEW: i128 = 60_000_000_000;

/// What may be left of a deadline.
pub(super) fn left() -> impl Strategy<Value = Duration> {
    let shifted = (any::<u64>(), 0..64_u32).prop_map(|(number, by)| number >> by);
    prop_oneof![
        3 => select(edges()),
        2 => shifted.clone().prop_map(Duration::from_nanos),
        1 => (shifted, 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ]
}

/// Each place where a dialect changes its unit, reaches its end or falls silent, and both its neighbours.
pub(super) fn edges() -> Vec<Duration> {
    let units = GRPC_UNITS.iter().map(|(_, unit)| *unit);
    let ends = units.clone().map(|unit| unit * GRPC_END);
    let most = [i64::MAX, i64::MAX / 1_000_000].map(|most| u128::from(most.unsigned_abs()));
    let others = [CONNECT_MOST, u64::MAX.into(), u128::from(u64::MAX) * MILLI];
    let places = units.chain(ends).chain(most).chain(others);
    let mut edges: Vec<Duration> = places.flat_map(|place| [place - 1, place, place + 1]).map(duration).collect();
    edges.extend([Duration::MAX - Duration::from_nanos(1), Duration::MAX]);
    edges
}

/// The wall clock, in nanoseconds since 1970: round and odd, before it and after it.
pub(super) fn wall() -> impl Strategy<Value = i128> {
    const NOW: i128 = 1_700_000_000_000_000_000;
    let odd = [0, 1, 300, 999_999, 1_000_000, 1_000_001].map(|odd| NOW + odd);
    let near = [0, 1, -1, 999_999, -999_999, -1_000_000, -1_000_001];
    let far = [-86_400_000_000_700_000, LAST];
    let places = [&odd[..], &near, &far].concat();
    prop_oneof![
        2 => select(places),
        1 => -NOW..LAST,
        1 => -3_000_000_i128..3_000_000,
    ]
}

/// How far ahead of the wall clock an instant lies: just not too far past, about now, beyond the longest.
pub(super) fn ahead() -> impl Strategy<Value = i128> {
    prop_oneof![
        1 => Just(-MAX_SKEW),
        2 => -MAX_SKEW..=0,
        4 => 0..10_000_000_000_i128,
        2 => 0..2 * i128::from(i64::MAX),
    ]
}

pub(super) fn system_time(nanos: i128) -> SystemTime {
    let distance = duration(nanos.unsigned_abs());
    if nanos < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

pub(super) fn duration(nanos: u128) -> Duration {
    let secs = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    Duration::new(secs, (nanos % SECOND) as u32)
}

/// What is too long is cut (R5).
pub(super) fn saturated(nanos: u128) -> Duration {
    duration(nanos).min(MAX_TIMEOUT)
}

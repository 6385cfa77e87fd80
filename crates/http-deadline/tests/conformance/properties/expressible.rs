//! What encoding has to say (R4), computed from the specification's table and not from bytes.

use std::time::Duration;

use http_deadline::Dialect;

use super::times::{CONNECT_MOST, GRPC_END, GRPC_UNITS, MILLI, duration, saturated};

/// What is left, cut off to what this dialect can express.
pub(super) fn expressible(dialect: Dialect, left: Duration, wall: i128) -> Option<Duration> {
    let left = saturated(left.as_nanos()).as_nanos();
    let nanos = match dialect {
        Dialect::XRequestTimeout => cut(left, finest_request_timeout_unit(left)),
        Dialect::GrpcTimeout => cut(left, finest_grpc_unit(left)),
        Dialect::EnvoyExpected | Dialect::EnvoyUpstream => cut(left, MILLI),
        Dialect::ConnectTimeout => cut(left.min(CONNECT_MOST), MILLI),
        _ => until_the_last_whole_milli(left, wall),
    };
    (nanos > 0).then(|| duration(nanos))
}

fn cut(left: u128, unit: u128) -> u128 {
    left - left % unit
}

fn finest_request_timeout_unit(left: u128) -> u128 {
    let fits = |unit: &u128| left >= *unit;
    [MILLI, 1_000].into_iter().find(fits).unwrap_or(1)
}

fn finest_grpc_unit(left: u128) -> u128 {
    let units = GRPC_UNITS.iter().map(|(_, unit)| *unit);
    units.into_iter().find(|unit| left < unit * GRPC_END).unwrap()
}

/// From now to the last whole millisecond since 1970 that is not after the deadline.
fn until_the_last_whole_milli(left: u128, wall: i128) -> u128 {
    let deadline = wall + left as i128;
    let whole = deadline - deadline.rem_euclid(MILLI as i128);
    // Unix time in digits has no sign: nothing before 1970 can be written.
    if whole < 0 {
        return 0;
    }
    u128::try_from(whole - wall).unwrap_or(0)
}

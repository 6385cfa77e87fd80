//! What limits of our own do to deadlines.

use metrics::counter;

/// Has a name of the layers, which count and describe the same for limits in code.
const LOCAL_LIMITS: &str = "deadline_local_limits_total";

/// The limit of an attempt met the deadline of its request: it is sooner, or never reached.
pub(crate) fn local_limit(is_sooner: bool) {
    counter!(LOCAL_LIMITS, "effect" => if is_sooner { "truncated" } else { "pointless" }).increment(1);
}

//! What the proxy counts, beside what the layers count. The only file of this crate that names the `metrics` facade.
//!
//! Labels are bounded sets: never a path, never an address.

use std::fmt;

use metrics::counter;

/// Why something was refused before it came to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// The message has a shape by which two parties could read different requests (R35).
    Framing,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Framing => "framing",
        })
    }
}

/// Something was refused.
pub(crate) fn refused(refusal: Refusal) {
    counter!("deadline_proxy_refusals_total", "reason" => refusal.to_string()).increment(1);
}

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
    /// A peer who must send a PROXY header sent something else.
    ProxyHeader,
    /// No TLS session came about.
    Tls,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Framing => "framing",
            Self::ProxyHeader => "proxy_header",
            Self::Tls => "tls",
        })
    }
}

/// Something was refused.
pub(crate) fn refused(refusal: Refusal) {
    counter!("deadline_proxy_refusals_total", "reason" => refusal.to_string()).increment(1);
}

/// What a look at the files of certificates came to, where they say something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// They are in use.
    Renewed,
    /// They cannot be used, and the old ones stay. Counted at each look, so that it is seen for as long as it lasts.
    Refused,
}

/// Certificates were read again.
pub(crate) fn reloaded(reload: Reload) {
    let outcome = match reload {
        Reload::Renewed => "renewed",
        Reload::Refused => "refused",
    };
    counter!("deadline_proxy_certificate_reloads_total", "outcome" => outcome).increment(1);
}

//! What a proxy says about a request that it passes on: who asked, over what, by which hops, under which name.
//!
//! Covers `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Forwarded` (RFC 7239), `Via` in both directions (RFC 9110
//! §7.6.3) with an end to loops, the count of `Max-Forwards`, `X-Request-Id`, and `X-Request-Start`. Does not translate
//! what a trusted peer said in one of the first two into the other, passes `X-Real-IP` of a trusted peer on but writes
//! none, and knows no proxy two hops away: whoever is trusted answers for what it says of those before it.
//!
//! # Who is believed
//!
//! Whoever made the request, if [`Settings::trust`] contains it. Behind a balancer that speaks the PROXY protocol
//! that is not the balancer, which has written no field of the request, but the client whom it names. Of anybody else
//! every forwarding field is removed before a route is looked for, also those that are not written here
//! (`X-Forwarded-Prefix`, `X-Real-IP`) and those with `_` in the place of `-`, which upstreams of the CGI kind take for the
//! same.
//!
//! At the [edge](crate::client::Side::Edge), deadline fields of strangers are worth less, too, and they are not told where
//! the time of their requests went, where the policy keeps that inside. A `Deadline-Exceeded` of a request is removed,
//! whoever wrote it: it is the word of who answers.
//!
//! # Where they stand
//!
//! [`ReceiveLayer`] outside of everything. There it is decided once who is believed, and what a request is called; a
//! stranger's `X-Request-Start` does not count as queue time (R8); and every answer is signed, with the id of its
//! request and with `Via`, also one that is made on the way: a 504, a 400, a 502. [`ForwardLayer`] inside of
//! [`HopByHopLayer`](tower_deadline::HopByHopLayer), so that no `Connection` removes what was written here, and outside
//! of whatever rewrites the target, from which it takes the host. [`StampLayer`] inside of
//! [`PropagateLayer`](tower_deadline::PropagateLayer), which leaves no `X-Request-Start` behind (R9).
//!
//! # Example
//!
//! ```
//! use deadline_proxy::forward::{Fields, ForwardLayer, ReceiveLayer, Settings};
//! use tower_deadline::Answers;
//!
//! let settings = Settings { trust: "10.0.0.0/8".parse()?, fields: Fields::Both, ..Settings::default() };
//! let outside = ReceiveLayer::new(&settings, "edge")?;
//! let inside = ForwardLayer::new(&settings, "edge", Answers::new().hop("edge"))?;
//! # let _ = (outside, inside);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod edge;
mod fields;
mod hops;
mod layer;
mod ledger;
mod node;
mod receive;
mod request_id;
mod stamp;
#[cfg(test)]
mod tests;
mod told;
mod trust;
mod via;

use http::HeaderName;
use http::header::VIA;

use crate::peers::Peers;

pub(crate) use self::edge::EdgePolicy;
pub(crate) use self::fields::{clear, is_forwarding};
pub use self::layer::{Forward, ForwardLayer};
pub(crate) use self::ledger::LedgerLayer;
pub use self::receive::ReceiveLayer;
pub(crate) use self::receive::Received;
pub use self::stamp::{Stamp, StampLayer, stamp};
pub use self::via::NoToken;

/// What is said, and who is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose forwarding fields are kept. Nobody's by default: what is not known to be a proxy is a client.
    pub trust: Peers,
    /// Which fields tell who asked.
    pub fields: Fields,
    /// The name of this proxy in `Via`, a token; the name of the hop where there is none.
    pub via: Option<String>,
    /// Whether each request has an `X-Request-Id`, and its response the same. By default it does: it costs little, and
    /// without it nobody finds the same request in two logs.
    pub request_id: bool,
    /// Whether `X-Request-Start` is written. By default it is not: it serves only an upstream that believes it.
    pub request_start: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { trust: Peers::default(), fields: Fields::default(), via: None, request_id: true, request_start: false }
    }
}

/// Which fields tell the upstream who asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`: what nearly every upstream reads.
    #[default]
    XForwarded,
    /// `Forwarded`, after RFC 7239.
    Forwarded,
    /// All of them.
    Both,
    /// None. Those of a trusted peer pass as they are.
    Off,
}

impl Fields {
    fn has_x_forwarded(self) -> bool {
        matches!(self, Self::XForwarded | Self::Both)
    }

    fn has_forwarded(self) -> bool {
        matches!(self, Self::Forwarded | Self::Both)
    }
}

/// Whether this field says what is said here: who asked, by which hops, when, and by which id.
pub(crate) fn is_about(name: &HeaderName) -> bool {
    let written = [&VIA, &request_id::X_REQUEST_ID, &stamp::X_REQUEST_START];
    written.contains(&name) || is_forwarding(name.as_str())
}

//! Hop by hop: what concerns one connection does not cross a proxy.
//!
//! Covers the fields of RFC 9110 §7.6.1 and their kin, in both directions (R30): `Connection` and everything
//! that it names, `Keep-Alive`, `Proxy-Connection`, `Proxy-Authenticate`, `Proxy-Authorization`, `TE` (but for
//! `trailers`), `Transfer-Encoding`, `Upgrade`, `HTTP2-Settings`. A message whose `Connection` names a field
//! that the message depends on is refused (R31), and so is one with a transfer coding beside `chunked`, which nobody could
//! take off any more (R35). A `Content-Length` beside chunks goes with them (RFC 9112 §6.3). Does not write `Connection: TE` beside a `TE` that it keeps, which
//! an HTTP/1.1 connection wants: the version of what leaves is not known here.
//!
//! Does not look into bodies: whoever serves and reads their trailers calls [`strip_trailers`], and takes out what
//! [`named_by_connection`] said of the head.
//!
//! A request to upgrade is stripped of the wish or refused, unless the protocol is allowed (R32): then exactly that wish
//! leaves, and a 101 passes only if it agrees to it. Does not carry tunnels: whoever serves joins the two connections.
//!
//! # Where it stands
//!
//! Inside of [`DeadlineLayer`](crate::DeadlineLayer), which has then read the deadline fields, whatever
//! `Connection` says of them; outside of [`PropagateLayer`](crate::PropagateLayer), which writes them fresh (R9).
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_deadline::{HopByHopLayer, UpgradePolicy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(HopByHopLayer::new(UpgradePolicy::Strip))
//!     .service_fn(|request: Request<()>| async move {
//!         assert!(!request.headers().contains_key("upgrade"));
//!         assert!(!request.headers().contains_key("x-private"));
//!         Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
//!     });
//!
//! let request = Request::get("/")
//!     .header("connection", "upgrade, x-private")
//!     .header("upgrade", "h2c")
//!     .header("x-private", "1")
//!     .body(())?;
//! assert!(service.oneshot(request).await?.status().is_success());
//! # Ok(())
//! # }
//! ```
//!
//! Refused, for a route that has no use for upgrades:
//!
//! ```
//! use tower_deadline::{Answers, HopByHopLayer, UpgradePolicy};
//!
//! let strict = HopByHopLayer::new(UpgradePolicy::Reject).answers(Answers::new().hop("edge"));
//! # let _ = strict;
//! ```
//!
//! For a route that has a use for WebSocket alone:
//!
//! ```
//! use tower_deadline::{HopByHopLayer, UpgradePolicy};
//!
//! let layer = HopByHopLayer::new(UpgradePolicy::allow(["websocket"])?);
//! # let _ = layer;
//! # Ok::<(), tower_deadline::hop_by_hop::ProtocolError>(())
//! ```

mod fields;
mod service;
#[cfg(test)]
mod tests;
mod upgrade;

pub use self::fields::{is_connection_level, named_by_connection, strip_trailers};
pub use self::service::{HopByHop, HopByHopFuture, HopByHopLayer, Stripped};
pub use self::upgrade::{Protocol, ProtocolError, UpgradePolicy};

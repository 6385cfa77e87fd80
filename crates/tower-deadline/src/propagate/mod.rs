//! Propagate: what is left of the deadline travels with an outgoing call, and bounds it here.
//!
//! # What it covers
//!
//! - *the request head*: every deadline field that it came with is removed, and what is left is written fresh
//!   (R9), less the reserve of the policy (R21);
//! - *the wait*: whatever the client does from the call to the response head, connecting and waiting for a
//!   pooled connection included, ends at the deadline, less half of the reserve: in the first half of it the
//!   answer of a hop that stopped in time can come back, in the second half it can be answered for;
//! - *the response body*, to its end, and to the whole deadline once it is being passed on; but not where the
//!   request that this call is part of is released (R18);
//! - *a call with nothing left to spend*: it fails at once and is not sent (R16).
//!
//! It does not cover the readiness of the inner service, for which there is no request yet to ask: a
//! [`scope`](crate::scope()) around both does. hyper-util's client is always ready, tonic's channel while its buffer
//! has room. It does not redirect and does not retry: a retry layer around it writes a fresh
//! field with each attempt, because each attempt is a call (R22).
//!
//! # What the next hop says
//!
//! A 504 is a response, not an error. Where the deadline that passed was ours, an [`Exceeded`](crate::Exceeded) stands
//! in the extensions of the response (R23): pass it on, and do not retry. Any other failure has none.
//!
//! # How exact the field is
//!
//! It is written when the call is made (R2). A client that then waits for a connection sends it later than it
//! was written, and the receiver grants that much too much; the local deadline bounds the whole all the same.
//!
//! # What happens in a call
//!
//! Names, connections, TLS, and the bytes that go and come, with what is left at each: see [`trace`].
//!
//! # Calls of gRPC
//!
//! A call of gRPC that is stopped is answered in gRPC's own words, a head or trailers with status 4 and the reason
//! in `deadline-exceeded`, because clients such as tonic take an error of ours for UNKNOWN (R13). What a client or a
//! hop made of the same deadline, CANCELLED as a rule, is corrected once it has passed (R24). tonic's channel keeps
//! `grpc-timeout` with a timer of its own, so it stops waiting when the hop does: the half of the reserve that is
//! meant for the way back is not used there.
//!
//! # Which deadline
//!
//! The sooner of the one in the extensions of the outgoing request and the ambient one of the task; the timeout that
//! the request of a gRPC call has as a field already, as by `set_timeout` of tonic; and the layer's own limit, if it has
//! one. In a task that was spawned plainly there is no ambient one: use
//! [`spawn`](crate::spawn). A call for which none is found is counted (`deadline_missing_total`), and fails where the
//! layer or the policy of the request says so; the error names the line that made the call, or the layer.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Empty;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder};
//! use tower_deadline::{Deadline, PropagateError, PropagateLayer, Stage, now, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
//! let mut client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
//!
//! // Nothing left: not sent, and the error says so.
//! let passed = Deadline::after(now(), Duration::ZERO);
//! let request = Request::get("http://127.0.0.1:9/").extension(passed).body(Empty::new())?;
//! match client.call(request).await {
//!     Err(PropagateError::Exceeded(exceeded)) => assert_eq!(exceeded.stage(), Stage::Unsent),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With a limit of its own, and calls without any deadline refused:
//!
//! ```
//! use std::time::Duration;
//! use tower_deadline::{OnMissing, PropagateLayer};
//!
//! let strict = PropagateLayer::new().timeout(Duration::from_secs(2)).on_missing(OnMissing::Reject);
//! # let _ = strict;
//! ```

mod bounds;
mod error;
mod future;
mod missing;
mod service;
#[cfg(test)]
mod tests;
pub mod trace;

#[cfg(feature = "reqwest")]
pub(crate) use self::bounds::Bounds;
pub use self::error::PropagateError;
pub use self::future::PropagateFuture;
#[cfg(feature = "reqwest")]
pub(crate) use self::future::deliver;
pub use self::service::{Propagate, PropagateLayer};

//! Enforce: the deadline is kept by whatever runs under it.
//!
//! # What the deadline covers
//!
//! - *readiness*: this service reports ready even when the inner one is not, and waits for it inside the
//!   deadline, as stage `queue` (R20). Lost by that: back-pressure. A limit stands inside the deadline, and
//!   what waits at it is bounded by time, not by number; shed load outside if it has to be bounded by number.
//! - *the response head*: what is ready at the very instant is delivered, if all of it is, body included; a later
//!   one is not (R11).
//! - *the request body*, wherever it is read: each frame is yielded only before the deadline.
//! - *the response body*: to its end, where the client asked for the deadline; else as the policy says (R18).
//!
//! It does not cover the time before the request head has arrived, nor tunnels.
//!
//! # What happens at the deadline
//!
//! Before the head: the inner future is dropped, and the answer is an empty response with the policy's status
//! and [`Exceeded`](crate::Exceeded) in its extensions; [`rescue`](crate::rescue) makes it readable. After it:
//! the body ends with an error, so that the connection shows that the message is incomplete; a gRPC response
//! over HTTP/2 ends with a trailers frame of status 4 (R13). gRPC-Web and streams of Connect have their status in the
//! body, and get it there between two messages; within one, the error (R36). Never both.
//!
//! # What it costs
//!
//! One timer a request, armed when the inner future is pending for the first time, and handed from the head
//! to the body (R12). A service that answers at once arms none, and neither does a layer further in that
//! shortens nothing.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::{Empty, Full};
//! use std::{convert::Infallible, future::pending, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_deadline::{Deadline, EnforceLayer, Exceeded, Stage, now};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(EnforceLayer::new())
//!     .service_fn(|_| pending::<Result<Response<Full<Bytes>>, Infallible>>());
//!
//! let mut request = Request::new(Empty::<Bytes>::new());
//! request.extensions_mut().insert(Deadline::after(now(), Duration::from_millis(5)));
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
//! let exceeded = response.extensions().get::<Exceeded>().ok_or("no reason")?;
//! assert_eq!(exceeded.stage(), Stage::Handler);
//! # Ok(())
//! # }
//! ```

mod body;
mod custody;
mod deliver;
mod future;
mod placed;
mod service;
mod settle;
mod status;
#[cfg(test)]
mod tests;

pub use self::body::EnforcedBody;
pub(crate) use self::custody::Custody;
pub use self::future::EnforceFuture;
pub(crate) use self::placed::Placed;
pub use self::service::{Enforce, EnforceLayer};
pub use self::status::Status;

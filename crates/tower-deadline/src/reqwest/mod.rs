//! reqwest: what is left of the deadline travels with each attempt of a call, and bounds it here.
//!
//! # What it covers
//!
//! - *each attempt*: a redirect that is followed, and a request that an HTTP/2 server refused to look at, is
//!   sent with what is left at that moment (R22), less the reserve of the policy (R21); with nothing left it is
//!   not sent, also in the middle of a call (R16);
//! - *the whole call*, with every attempt and the response body: to the deadline, as
//!   [`PropagateLayer`](crate::PropagateLayer) has it;
//! - *each connection* and *each read*, where they have limits of their own; [`LimitReached::find`] tells which
//!   of the limits ended a call, how long it is, and where it was set;
//! - *a redirect to another origin*: it gets no deadline field in any dialect, no credentials, and no `Host` that
//!   the request set. The call stays within its deadline all the same; and what that origin tells of a deadline in
//!   `Deadline-Exceeded` is not believed, because it was sent none.
//!
//! The client is made here, because reqwest's own redirects and retries have to be off: they repeat a field that
//! was written for the first attempt.
//!
//! # What it does not
//!
//! It does not try again what failed, but for the refusals named above, which are safe: twice, as reqwest does. A
//! retry outside writes a fresh field with each attempt, because each is a call. It does not read a
//! `ClientBuilder`'s own timeouts, which go on to count for each attempt alone. A body that streams is sent once:
//! where a redirect wants it again, the redirect is the response.
//!
//! # How exact the field is
//!
//! It is written when the attempt is made (R2). Below us hyper-util waits for a connection, and the field is so
//! much older when it leaves. It also sends a request again by itself, with the same field, where a pooled
//! connection turns out to be closed before anything was sent. The receiver grants that much too much; the local
//! deadline bounds the whole all the same.
//!
//! # Differences from reqwest's own timeouts
//!
//! - `timeout` counts anew for every call; a deadline was fixed when the request arrived that this call is part
//!   of. The `timeout` of a single request still counts, for all of its attempts together;
//! - `read_timeout` starts with the call, so that connecting uses it up, and a caller who reads slowly is told
//!   that the peer was slow; here it runs only while the peer is waited for;
//! - `is_timeout` does not tell them apart; [`LimitReached`] does, by type;
//! - `Referer` is removed on the way from `https` to `http`, also if it came along from earlier;
//! - credentials among a `ClientBuilder`'s default headers are added below us, to every attempt. Where there are
//!   any, a redirect to another origin is not followed, and is the response: set them with
//!   [`default_headers`](ReqwestBuilder::default_headers) of the builder here;
//! - a deadline field among a `ClientBuilder`'s default headers is added below us as well, wherever we write none:
//!   to a call without a deadline, and to another origin; and in a second dialect beside ours. Set none there. Among
//!   the default headers of the builder here it is replaced, or removed, as one of the request is.
//!
//! No TLS is chosen: features of reqwest itself do that.
//!
//! # Which deadline
//!
//! The sooner of the ambient one of the task and an explicit one: [`WithDeadline`] around the request, or, for
//! the middleware, a [`Deadline`](crate::Deadline) in the `Extensions` of the call; and the limit of the layer.
//!
//! # Example
//!
//! ```
//! use reqwest::{Client, Method, Request};
//! use std::time::Duration;
//! use tower_deadline::reqwest::LimitReached;
//! use tower_deadline::{BoxError, Deadline, PropagateLayer, now, scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let client = PropagateLayer::new().reqwest().build(Client::builder())?;
//! let request = Request::new(Method::POST, "http://127.0.0.1:9/charge".parse()?);
//!
//! // Whatever runs in the scope of a deadline, a handler for one, calls within it.
//! let charge = async {
//!     let response = client.execute(request).await?;
//!     Ok::<_, BoxError>(response.text().await?)
//! };
//! match scope(Deadline::after(now(), Duration::from_secs(2)), charge).await {
//!     Ok(Ok(text)) => println!("charged: {text}"),
//!     Ok(Err(error)) => match LimitReached::find(&*error) {
//!         Some(reached) => println!("not in time: {reached}"),
//!         None => println!("failed: {error}"),
//!     },
//!     Err(exceeded) => println!("stopped: {exceeded}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! As a service in a stack, with limits of its own:
//!
//! ```
//! use reqwest::Client;
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_deadline::PropagateLayer;
//!
//! let client = PropagateLayer::new()
//!     .reqwest()
//!     .connect_timeout(Duration::from_millis(200))
//!     .without_redirects()
//!     .build(Client::builder())?;
//! let client = ServiceBuilder::new().concurrency_limit(10).service(client);
//! # let _ = client;
//! # Ok::<_, reqwest::Error>(())
//! ```

mod builder;
mod call;
mod connect;
mod limits;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod read;
mod redirect;
mod refused;
mod response;
mod service;
mod spans;
mod spare;

pub use self::builder::ReqwestBuilder;
pub use self::limits::{Limit, LimitReached};
#[cfg(feature = "reqwest-middleware")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
pub use self::middleware::PropagateMiddleware;
pub use self::redirect::TooManyRedirects;
pub use self::response::Followed;
pub use self::service::{PropagateReqwest, PropagateReqwestFuture, WithDeadline};

//! What happens in each outgoing call: its name, its connection, its TLS, the request and the answer, each with what was
//! left of its deadline then.
//!
//! # What it covers
//!
//! - [`CallTrace`]: who is told, given to [`PropagateLayer::trace`](crate::PropagateLayer::trace). It hears of every call
//!   through that layer, also outside of any request. Whoever [listens](http_deadline::Listener) to the journey that a
//!   call is part of hears the same, with or without a trace;
//! - [`TracedConnector`], [`TracedResolver`] and [`TracedTls`] around the parts of hyper-util's client: without the first
//!   a call is told from `first_byte` on only. The reqwest client of the module `reqwest` needs none of them;
//! - [`WrittenLayer`], for `request_written`.
//!
//! The events are told as they happen, so those of a call that runs into its deadline are there: a connection that is
//! being made ends with its call. All of it is opt-in: a layer without a trace, in a request that nobody listens to,
//! looks once whether there is anybody.
//!
//! # What it does not
//!
//! - *hyper-util* hides for how long a connection was idle, and which one it uses. What is told as reused is a call that
//!   has begun no connection at its first poll; one that waits for another call's connection of HTTP/2 is among them. A
//!   connection that hyper-util goes on making for its pool, once the call has another, is told no further;
//! - *reqwest* hides its parts: `connect_start` and `connect_end` stand around name, socket, proxy and TLS, and the address
//!   is that of the URL. `request_written` is not told;
//! - *tonic's channel* makes its connections in a task of its own: no call has them.
//!
//! # Example
//!
//! A waterfall of a call, in ten lines:
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::{BodyExt, Empty};
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use std::{sync::Arc, time::Duration};
//! use tower::{Layer, ServiceExt};
//! use tower_deadline::{CallEvent, Deadline, PropagateLayer, now, propagate::trace::TracedConnector};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_deadline::BoxError> {
//! # use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let url = format!("http://{}/", listener.local_addr()?);
//! # tokio::spawn(async move {
//! #     let (mut stream, _) = listener.accept().await?;
//! #     stream.read(&mut [0; 1024]).await?;
//! #     stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncharged").await
//! # });
//! let start = now();
//! let waterfall = move |event: &CallEvent<'_>, left: Option<Duration>| {
//!     println!("{:>8.1?}  {:<15}  {:.0?} left", now() - start, event.as_str(), left.unwrap_or_default());
//! };
//! let client = Client::builder(TokioExecutor::new()).build(TracedConnector::new(HttpConnector::new()));
//! let client = PropagateLayer::new().trace(Arc::new(waterfall)).layer(client);
//! let deadline = Deadline::after(start, Duration::from_millis(500));
//! let answer = client.oneshot(Request::get(url).extension(deadline).body(Empty::<Bytes>::new())?).await?;
//! let charged = answer.into_body().collect().await?.to_bytes();
//! # assert_eq!(charged, "charged");
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//!  312.0µs  connect_start    500ms left
//!  741.3µs  connect_end      499ms left
//!  756.1µs  connected        499ms left
//!   38.2ms  first_byte       462ms left
//!   38.3ms  last_byte        462ms left
//! ```
//!
//! To tell calls from each other, give each a trace of its own:
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use std::time::Duration;
//! use tower_deadline::propagate::trace::CallTrace;
//! use tower_deadline::{CallEvent, PropagateLayer};
//!
//! struct Calls;
//!
//! #[derive(Default)]
//! struct Call(Mutex<Vec<&'static str>>);
//!
//! impl CallTrace for Calls {
//!     fn begins(&self) -> Option<Arc<dyn CallTrace>> {
//!         Some(Arc::<Call>::default())
//!     }
//!
//!     fn event(&self, _: &CallEvent<'_>, _: Option<Duration>) {}
//! }
//!
//! impl CallTrace for Call {
//!     fn event(&self, event: &CallEvent<'_>, _: Option<Duration>) {
//!         self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(event.as_str());
//!     }
//! }
//!
//! let layer = PropagateLayer::new().trace(Arc::new(Calls));
//! # let _ = layer;
//! ```

mod connector;
mod resolver;
mod telling;
#[cfg(test)]
mod tests;
mod tls;
mod written;

use std::sync::Arc;
use std::time::Duration;

use http_deadline::CallEvent;

pub use self::connector::{Connecting, TracedConnector};
pub use self::resolver::{Resolving, TracedResolver};
#[cfg(feature = "reqwest")]
pub(crate) use self::telling::calling;
pub(crate) use self::telling::{Calling, Telling, Traced, within};
pub use self::tls::{Securing, TracedTls};
pub use self::written::{Written, WrittenBody, WrittenLayer};

/// Is told what happens in the calls through a [`PropagateLayer`](crate::PropagateLayer), by the thread on which it does,
/// as it does. See the [module](self), which has an example. A closure is one.
///
/// It stands in the way of the call: it must not block.
pub trait CallTrace: Send + Sync {
    /// A call begins, and this is told what happens in it; `None`, as by default: this trace itself.
    fn begins(&self) -> Option<Arc<dyn CallTrace>> {
        None
    }

    /// A call has come this far, with this much of its deadline remaining; `None` where it has none.
    fn event(&self, event: &CallEvent<'_>, remaining: Option<Duration>);
}

impl<F: Fn(&CallEvent<'_>, Option<Duration>) + Send + Sync> CallTrace for F {
    fn event(&self, event: &CallEvent<'_>, remaining: Option<Duration>) {
        self(event, remaining);
    }
}

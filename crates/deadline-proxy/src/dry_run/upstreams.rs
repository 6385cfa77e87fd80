//! Who stands in for the upstreams.

use std::convert::Infallible;
use std::future::pending;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tower::service_fn;
use tower_deadline::Answers;

use super::in_memory::InMemory;
use crate::client::Client;
use crate::limits::{self, Limits};
use crate::serve::{self, Terms};

/// More than a proxy sends, whatever it was told.
const HEAD_COUNT: usize = u16::MAX as usize;
const HEAD_BYTES: usize = 1 << 24;

/// Answers 200 to every request on these connections, once it has read it; never ends.
pub(super) fn serve(connections: UnboundedReceiver<DuplexStream>) -> Result<impl Future<Output = ()>, limits::Error> {
    let limits = limits::Settings { head_count: HEAD_COUNT, head_bytes: HEAD_BYTES, ..limits::Settings::default() };
    let terms = Terms::new(Limits::new(limits)?, Answers::new()).uncounted();
    let listener = InMemory::new(connections, Client::default());
    Ok(serve::serve(listener, service_fn(answer), terms, pending()))
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    // A client that breaks off is told by the proxy.
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Empty::new()))
}

//! Exchanges with peers of which each frame is chosen, on a paused clock.

mod bounds;
mod broken;
mod exchanges;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tower_deadline::BoxError;

use crate::upstream::tests::{Peer, settings, settle};
use crate::upstream::{Allotted, Cluster, Pool, PooledBody, SendError};

type Served = Connection<DuplexStream, Bytes>;
type Asked = (Request<RecvStream>, SendResponse<Bytes>);
type Answered = Result<Response<PooledBody<Fed>>, SendError<Infallible>>;

/// A body that is fed by a test; it ends with what feeds it.
struct Fed(UnboundedReceiver<Result<Frame<Bytes>, BoxError>>, Arc<AtomicUsize>);

/// What feeds it, and how much was taken.
struct Feed(UnboundedSender<Result<Frame<Bytes>, BoxError>>, Arc<AtomicUsize>);

impl Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.0.poll_recv(cx));
        self.1.fetch_add(usize::from(frame.is_some()), Ordering::Relaxed);
        Poll::Ready(frame)
    }
}

impl Feed {
    fn new() -> (Self, Fed) {
        let ((feed, fed), taken) = (unbounded_channel(), Arc::<AtomicUsize>::default());
        (Self(feed, Arc::clone(&taken)), Fed(fed, taken))
    }

    fn data(&self, data: &'static str) {
        self.0.send(Ok(Frame::data(Bytes::from_static(data.as_bytes())))).unwrap();
    }

    /// Whether nobody reads it any more.
    fn is_dropped(&self) -> bool {
        self.0.is_closed()
    }
}

/// A pool whose peer does this with each connection.
fn pool<F>(act: impl Fn(Served) -> F + Clone + Send + Sync + 'static) -> (Pool<Fed>, Peer)
where
    F: Future<Output = ()> + Send + 'static,
{
    pool_of(Builder::new(), act)
}

fn pool_of<F>(builder: Builder, act: impl Fn(Served) -> F + Clone + Send + Sync + 'static) -> (Pool<Fed>, Peer)
where
    F: Future<Output = ()> + Send + 'static,
{
    let peer = Peer::scripted(move |_| {
        let (act, builder) = (act.clone(), builder.clone());
        async move {
            let (ours, theirs) = duplex(64 * 1024);
            tokio::spawn(async move { act(builder.handshake(theirs).await.unwrap()).await });
            Ok(ours)
        }
    });
    (Pool::new(Cluster::scripted(settings(), [peer.clone()]), 1), peer)
}

/// A pool whose peer does this with each request.
fn answering<F>(act: impl Fn(Asked) -> F + Clone + Send + Sync + 'static) -> (Pool<Fed>, Peer)
where
    F: Future<Output = ()> + Send + 'static,
{
    answering_of(Builder::new(), act)
}

fn answering_of<F>(builder: Builder, act: impl Fn(Asked) -> F + Clone + Send + Sync + 'static) -> (Pool<Fed>, Peer)
where
    F: Future<Output = ()> + Send + 'static,
{
    pool_of(builder, move |mut connection| {
        let act = act.clone();
        async move {
            while let Some(Ok(asked)) = connection.accept().await {
                tokio::spawn(act(asked));
            }
        }
    })
}

fn request(body: Fed) -> Request<Fed> {
    Request::post("/").header("content-type", "application/grpc").body(body).unwrap()
}

fn ask(pool: &Pool<Fed>, body: Fed) -> JoinHandle<Answered> {
    let pool = pool.clone();
    tokio::spawn(async move { pool.send(request(body), |_| Ok(Allotted::default())).await })
}

/// All that is left of a request, with its trailers.
async fn read(mut body: RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole, body.trailers().await?))
}

fn trailers() -> HeaderMap {
    [(http::HeaderName::from_static("x-end"), HeaderValue::from_static("0"))].into_iter().collect()
}

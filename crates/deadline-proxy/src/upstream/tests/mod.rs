//! Peers within the process, on a paused clock: no socket is open, and so no timer fires early.

mod basics;
mod blame;
mod bounds;
mod calls;
mod endpoints;
mod generations;
mod http2;
mod sockets;
mod status;
mod storm;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::DuplexStream;
use tokio::sync::oneshot;

use super::*;

pub(super) type Pool = super::Pool<Full<Bytes>>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(super) type Service = dyn Fn(Request<Incoming>) -> Boxed<Response<Held>> + Send + Sync;

/// Somebody who can be connected to, without a socket.
#[derive(Clone)]
pub(crate) struct Peer {
    dial: Arc<dyn Fn(usize) -> Boxed<io::Result<DuplexStream>> + Send + Sync>,
    dials: Arc<AtomicUsize>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dials, &other.dials)
    }
}

impl Eq for Peer {}

impl Peer {
    /// One that decides at each connection, which it is told the number of.
    pub(super) fn scripted<F>(dial: impl Fn(usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<DuplexStream>> + Send + 'static,
    {
        Self { dial: Arc::new(move |number| Box::pin(dial(number))), dials: Arc::default() }
    }

    /// One that serves every request, by HTTP/1.1 and HTTP/2.
    pub(super) fn serving<F>(service: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Held>> + Send + 'static,
    {
        let service: Arc<Service> = Arc::new(move |request| Box::pin(service(request)));
        Self::limited(service, None)
    }

    /// One that allows so many streams at once.
    pub(super) fn limited(service: Arc<Service>, streams: Option<u32>) -> Self {
        Self::scripted(move |_| {
            let service = Arc::clone(&service);
            async move { Ok(serve(service, streams)) }
        })
    }

    /// One that says what it was asked for.
    pub(super) fn echo() -> Self {
        Self::serving(|request| async move {
            let host = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
            let said = format!("{:?} {} {:?}", request.version(), request.uri(), host.unwrap_or_default());
            Response::new(Held::full(said))
        })
    }

    /// One that does not listen.
    pub(super) fn refusing() -> Self {
        Self::scripted(|_| async { Err(io::Error::from(io::ErrorKind::ConnectionRefused)) })
    }

    /// One that never answers.
    pub(super) fn silent() -> Self {
        Self::scripted(|_| std::future::pending())
    }

    pub(super) fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    pub(crate) async fn dial(&self) -> io::Result<DuplexStream> {
        (self.dial)(self.dials.fetch_add(1, Ordering::Relaxed)).await
    }
}

fn serve(service: Arc<Service>, streams: Option<u32>) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    tokio::spawn(async move {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http2().max_concurrent_streams(streams);
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(theirs), service).await;
    });
    ours
}

/// A body that ends when it is told to.
pub(super) struct Held {
    data: Option<Bytes>,
    end: Option<oneshot::Receiver<()>>,
}

impl Held {
    pub(super) fn full(data: impl Into<Bytes>) -> Self {
        Self { data: Some(data.into()), end: None }
    }
}

/// Bodies that were begun and are not ended, the first at the front.
#[derive(Clone, Default)]
pub(super) struct Holding(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl Holding {
    /// One whose bodies it holds.
    pub(super) fn peer(&self) -> Peer {
        Peer::limited(self.service(), None)
    }

    pub(super) fn service(&self) -> Arc<Service> {
        let Self(held) = self.clone();
        Arc::new(move |_| {
            let (tell, end) = oneshot::channel();
            held.lock().unwrap().push_back(tell);
            let body = Held { data: Some(Bytes::from_static(b"held")), end: Some(end) };
            Box::pin(async move { Response::new(body) })
        })
    }

    pub(super) fn begun(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Ends the body that was begun first.
    pub(super) async fn end_first(&self) {
        let first = self.0.lock().unwrap().pop_front();
        drop(first.expect("a body was begun"));
        settle().await;
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.end {
            Some(end) => Pin::new(end).poll(cx).map(|_| None),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end.is_none()
    }
}

pub(super) fn settings() -> Settings {
    Settings::new(["http://peer.example".parse().unwrap()])
}

pub(super) fn pool(peer: &Peer, change: impl FnOnce(&mut Settings)) -> Pool {
    let mut settings = settings();
    change(&mut settings);
    super::Pool::new(Cluster::scripted(settings, [peer.clone()]), 1)
}

pub(super) fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

pub(super) fn grpc(uri: &str) -> Request<Full<Bytes>> {
    Request::post(uri).header("content-type", "application/grpc").body(Full::default()).unwrap()
}

pub(super) async fn send(
    pool: &Pool,
    request: Request<Full<Bytes>>,
) -> Result<Response<PooledBody<Full<Bytes>>>, SendError<Infallible>> {
    pool.send(request, |_| Ok(Allotted::default())).await
}

pub(super) async fn text(response: Response<PooledBody<Full<Bytes>>>) -> String {
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(whole.into()).unwrap()
}

/// Lets every task do what it can.
pub(super) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

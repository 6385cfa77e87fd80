//! The workers, and what they are told while they run.

use std::io;
use std::time::Duration;

use futures_util::future::{join, join_all};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_deadline::BoxError;

use super::generation::Desk;
use crate::listen::{Entrance, Socket};
use crate::proxy::Proxy;
use crate::serve::{Eras, serve_in};
use crate::shutdown::Shutdown;
use crate::worker::{Beat, Workers, tell_tasks};

/// How long tunnels may take to end, once they are told to: a little more than the two limits that each has for it.
const TUNNEL_CLOSE: Duration = Duration::from_secs(7);

/// Says that nobody else is let in, and how long those who are in may take. `None` until then.
pub(super) type Stop = watch::Receiver<Option<Duration>>;

/// The threads that carry the traffic, each with listeners of its own.
#[derive(Debug)]
pub(super) struct Fleet<S> {
    tell: Vec<UnboundedSender<Order<S>>>,
}

/// A listener for a worker.
#[derive(Debug)]
pub(super) struct Opening<S> {
    pub(super) worker: usize,
    pub(super) socket: Socket,
    pub(super) eras: Eras<Desk<S>, Entrance>,
    pub(super) stop: Stop,
}

/// A listener, and who wants to know whether it could be listened on.
type Order<S> = (Opening<S>, oneshot::Sender<io::Result<()>>);

impl<S> Fleet<S>
where
    S: Send + Sync + 'static,
{
    /// Starts a worker for each of these, which ends with the last of its listeners once this is dropped. `proxy` tells of
    /// tunnels, which all of its generations share.
    ///
    /// # Errors
    ///
    /// The system gives no thread, or no runtime.
    pub(super) fn start<B>(proxy: &Proxy, vitals: Vec<(Beat, Shutdown)>) -> io::Result<(Self, Workers)>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut tell, mut workers) = (Vec::new(), Workers::default());
        for (worker, (beat, shutdown)) in vitals.into_iter().enumerate() {
            // It serves nobody, and would keep the log open that was the first.
            let proxy = proxy.clone().access_log(None).keep_expired(0).stopped_by(shutdown.clone());
            let (send, orders) = unbounded_channel();
            workers.start(async move {
                tokio::spawn(beat.beat());
                tokio::spawn(tell_tasks(format!("worker-{worker}")));
                work(orders, proxy).await;
                // What is left is dropped with the runtime.
                shutdown.begin();
            })?;
            tell.push(send);
        }
        Ok((Self { tell }, workers))
    }

    /// Hands each to its worker, and waits until each listens.
    ///
    /// # Errors
    ///
    /// One of them cannot.
    pub(super) async fn open(&self, openings: Vec<Opening<S>>) -> io::Result<()> {
        let orders = openings.into_iter().map(|opening| {
            let (opened, listens) = oneshot::channel();
            // A worker that has ended answers nothing.
            let _ = self.tell.get(opening.worker).map(|tell| tell.send((opening, opened)));
            listens
        });
        let ended = |_| io::Error::other("its worker has ended");
        let opened = join_all(orders.collect::<Vec<_>>()).await;
        opened.into_iter().try_for_each(|opened| opened.map_err(ended)?)
    }
}

/// The work of one worker, from its first listener to the last.
async fn work<S, B>(mut orders: UnboundedReceiver<Order<S>>, proxy: Proxy)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let serving = TaskTracker::new();
    while let Some((opening, opened)) = orders.recv().await {
        let Opening { socket, eras, stop, .. } = opening;
        let listens = socket.listen().map(|listener| drop(serving.spawn(serve_in(listener, eras, told(stop)))));
        // Whoever wanted to know may have gone.
        let _ = opened.send(listens);
    }
    serving.close();
    // A tunnel has no end to wait for, and over HTTP/2 it would keep its connection, and so the drain, for the whole
    // limit.
    join(serving.wait(), proxy.close_tunnels(TUNNEL_CLOSE)).await;
}

/// How long what is under way may take, once that is said.
async fn told(mut stop: Stop) -> Duration {
    // Who cannot say it any more wants it to end.
    stop.wait_for(Option::is_some).await.map(|limit| *limit).ok().flatten().unwrap_or_default()
}

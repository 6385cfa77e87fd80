//! One listener, until it is told to stop.
//!
//! Covers accepting, HTTP/1.1 and HTTP/2 with prior knowledge on one port, the limits that hold before a
//! request head has arrived, and the drain. Does not know what is served.

mod accept;
mod connection;
mod drain;
mod era;
mod flush;
mod quiet;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tower::Service;
use tower_deadline::{Answers, BoxError};

pub use self::accept::Accept;
use self::connection::converse;
pub use self::era::{Always, Era, Eras, Pick};
use crate::count;
use crate::forward::ReceiveLayer;
use crate::limits::{ConnectionSlots, ExtendedConnect, Limits};
use crate::shutdown::Shutdown;

/// How long to wait when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A process without file descriptors says so at most this often, for each listener of a worker.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// How long a drain waits for what is under way, where nobody says.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// What the connections of a process are served under. A clone counts with its origin.
#[derive(Clone, Debug)]
pub struct Terms {
    limits: Limits,
    slots: ConnectionSlots,
    answers: Answers,
    receive: Option<ReceiveLayer>,
    drain_limit: Duration,
    /// `None` where nobody says when patience ends.
    shutdown: Option<Shutdown>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Terms {
    /// Holds connections to these limits, and tells those that are one too many in this way.
    #[must_use]
    pub fn new(limits: Limits, answers: Answers) -> Self {
        let (http1, http2) = (limits.http1(), limits.http2(ExtendedConnect::Off));
        let slots = ConnectionSlots::new(limits.settings().connections);
        Self { limits, slots, answers, receive: None, drain_limit: DRAIN_LIMIT, shutdown: None, http1, http2 }
    }

    /// Other terms, for the connections that come from here on; those that are there still take their places.
    #[must_use]
    pub fn succeeded_by(&self, limits: Limits, answers: Answers) -> Self {
        let slots = self.slots.resized(limits.settings().connections);
        Self { slots, shutdown: self.shutdown.clone(), ..Self::new(limits, answers) }
    }

    /// What is told to connections that are one too many is signed like every other answer.
    #[must_use]
    pub fn signed_by(mut self, receive: ReceiveLayer) -> Self {
        self.receive = Some(receive);
        self
    }

    /// Offers tunnels by HTTP/2. Whether a route carries the protocol is found out when one is asked for.
    #[must_use]
    pub fn with_tunnels(mut self) -> Self {
        self.http2 = self.limits.http2(ExtendedConnect::Offered);
        self
    }

    /// Leaves connections out of what is counted of clients.
    #[must_use]
    pub fn uncounted(mut self) -> Self {
        self.slots = self.slots.uncounted();
        self
    }

    /// A drain waits this long for what is under way.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Once this has begun, a drain waits no longer than it takes to tell who was stopped; until then it waits, whatever its
    /// limit. Whoever begins it stops what is under way, as [`Proxy::stopped_by`](crate::proxy::Proxy::stopped_by) does.
    #[must_use]
    pub fn stopped_by(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = Some(shutdown);
        self
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new(Limits::default(), Answers::new())
    }
}

/// Serves every connection until `stop`; then accepts no more, and returns when what was under way is done, or was
/// stopped, or a moment after the limit.
pub async fn serve<L, S, B>(listener: L, service: S, terms: Terms, stop: impl Future<Output = ()>)
where
    L: Accept<Entrance = ()>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let limit = terms.drain_limit;
    let eras = Eras::new(Era::new(terms, Always(service), Arc::new(())));
    serve_in(listener, eras, stop.map(|()| limit)).await;
}

/// Serves each connection under the era that holds when it is accepted, until `stop` says how long what is under way may
/// take from then on. Where the terms name a [shutdown](Terms::stopped_by), it is that which ends the wait: a listener can
/// close long before its process, and who came in by it is still to be waited for then.
pub async fn serve_in<L, P, B>(listener: L, eras: Eras<P, L::Entrance>, stop: impl Future<Output = Duration>)
where
    L: Accept,
    P: Pick<
        Service: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send,
    >,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (connections, shutdown) = (TaskTracker::new(), eras.current().terms.shutdown.clone());
    let open = |raw| {
        let era = eras.current();
        drop(connections.spawn(converse(L::establish(raw, &era.entrance), era)));
    };
    let drain_limit = take(&listener, open, stop).await;
    let end = Instant::now() + drain_limit;
    eras.current().retire();
    // Who has connected by now, or is about to, would be reset with the listener, and is served instead.
    let half_in = listener.shut();
    let let_in = async {
        tokio::select! {
            () = sleep(half_in.min(drain_limit)) => {}
            () = drain::begun(shutdown.as_ref()) => {}
        }
    };
    take(&listener, open, let_in).await;
    listener.close().into_iter().for_each(open);
    connections.close();
    drain::over(&connections, shutdown.as_ref(), end).await;
}

/// Opens each connection that comes in until then.
async fn take<L: Accept, T>(listener: &L, open: impl Fn(L::Raw), until: impl Future<Output = T>) -> T {
    let (mut until, mut failures) = (pin!(until), Failures::default());
    loop {
        let accepted = tokio::select! {
            // A listener that always has something to say keeps nobody from stopping it.
            biased;
            until = &mut until => return until,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(raw) => open(raw),
            // One connection failed, or none can be had right now; the listener goes on.
            Err(error) => {
                failures.tell(&error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Connections that could not be accepted: each is counted, and now and then one is told of.
#[derive(Default)]
struct Failures {
    told: Option<Instant>,
}

impl Failures {
    fn tell(&mut self, error: &io::Error) {
        count::accept_failed();
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            // WARN: clients wait to be let in.
            tracing::warn!("no connection can be accepted: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::future::ready;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Has no descriptor to accept with.
    struct Exhausted;

    impl Accept for Exhausted {
        type Raw = ();
        type Entrance = ();
        type Stream = TcpStream;
        type Establish = std::future::Pending<io::Result<(TcpStream, crate::client::Client)>>;

        async fn accept(&self) -> io::Result<()> {
            Err(io::Error::from_raw_os_error(24))
        }

        fn establish(_: (), _: &Arc<()>) -> Self::Establish {
            std::future::pending()
        }

        fn shut(&self) -> Duration {
            Duration::ZERO
        }

        fn close(self) -> Vec<()> {
            Vec::new()
        }
    }

    #[test]
    fn connections_that_cannot_be_accepted_are_counted() {
        let told = count::told(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            let stop = async { sleep(10 * ACCEPT_PAUSE + ACCEPT_PAUSE / 2).await };
            runtime.unwrap().block_on(stopped(Exhausted, stop));
        });
        assert!(told.contains("deadline_proxy_accept_failures_total 11\n"), "{told}");
    }

    /// Says "ok" to everybody.
    async fn stopped(listener: impl Accept<Entrance = ()>, stop: impl Future<Output = ()>) {
        let service = tower::service_fn(|_: Request<Incoming>| async {
            Ok::<_, BoxError>(Response::new(Full::new(bytes::Bytes::from_static(b"ok"))))
        });
        serve(listener, service, Terms::default(), stop).await;
    }

    #[tokio::test]
    async fn who_has_asked_before_the_stop_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut clients = Vec::new();
        for _ in 0..20 {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            clients.push(client);
        }
        stopped(listener, ready(())).await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"), "{answer:?}");
        }
    }
}

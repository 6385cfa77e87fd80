//! The whole stack around a tunnel, between a client and an upstream that are scripted on pairs in memory.

use super::*;
use crate::proxy::passage::{PassageLayer, PassedBody, Steps, tests::steps};
use crate::shutdown::Shutdown;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use sha1::{Digest, Sha1};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, timeout};
use tower::{Service, ServiceBuilder, service_fn};
use tower_deadline::{
    Answers, BoxError, DeadlineLayer, HopByHopLayer, Policy, PropagateLayer, UpgradePolicy, WatchedBody,
};

mod connect;
mod handshake;
mod limits;

const MS: Duration = Duration::from_millis(1);
const BUDGET: Duration = Duration::from_millis(500);

fn websocket() -> Settings {
    Settings { upgrades: UpgradePolicy::allow(["websocket", "chat/2"]).unwrap(), ..Settings::default() }
}

/// A proxy with an upstream that is dialled anew for each request.
struct Edge {
    settings: Settings,
    tunnels: Tunnels,
    /// Of all connections, where they are to share one.
    layer: Option<Opener>,
    dialled: Option<UnboundedReceiver<DuplexStream>>,
}

impl Edge {
    fn new(settings: Settings) -> Self {
        Self { settings, tunnels: Tunnels::new(), layer: None, dialled: None }
    }

    /// A connection of a client's.
    fn connect(&mut self) -> DuplexStream {
        let (dial, dialled) = unbounded_channel();
        self.dialled = Some(dialled);
        let upstream = service_fn(move |mut request: Request<PassedBody<WatchedBody<Incoming>>>| {
            let (near, far) = duplex(4096);
            dial.send(far).unwrap();
            async move {
                let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await?;
                tokio::spawn(connection.with_upgrades());
                *request.uri_mut() = Uri::try_from(request.uri().path_and_query().unwrap().as_str()).unwrap();
                let response = sender.send_request(request).await;
                response.map_err(BoxError::from)
            }
        });
        let answers = Answers::new().hop("edge");
        let fresh = || Opener::new(self.settings.clone(), self.tunnels.clone(), answers.clone()).unwrap();
        let tunnel = self.layer.clone().unwrap_or_else(fresh);
        let hop_by_hop = HopByHopLayer::new(tunnel.upgrades().clone()).answers(answers.clone());
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::new(Policy::new()).answers(answers.clone()))
            .layer(PassageLayer::new(Steps { tunnel, hop_by_hop, ..steps(&Shutdown::new()) }))
            .layer(PropagateLayer::new())
            .service(upstream);
        let (client, near) = duplex(4096);
        serve(near, stack);
        client
    }

    /// The upstream's side of the connection of the next request.
    async fn upstream(&mut self) -> DuplexStream {
        self.dialled.as_mut().unwrap().recv().await.unwrap()
    }

    fn assert_upstream_untouched(&mut self) {
        assert!(self.dialled.as_mut().unwrap().try_recv().is_err());
    }
}

fn serve<S, B>(connection: DuplexStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let service = TowerToHyperService::new(service);
    tokio::spawn(async move {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http2().enable_connect_protocol();
        let served = builder.serve_connection_with_upgrades(TokioIo::new(connection), service).into_owned();
        // What ends a connection with an error, the client sees.
        served.await.map_or_else(drop, drop);
    });
}

/// A head and not a byte more, in small letters.
async fn head(side: &mut DuplexStream) -> String {
    head_as_it_is(side).await.to_ascii_lowercase()
}

/// The same in the letters that it was written in. Longer than any limit of these tests it does not wait.
async fn head_as_it_is(side: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(Duration::from_secs(3600), side.read_u8()).await.expect("a head comes");
        head.push(byte.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The values of a field of a head.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn read(side: &mut (impl AsyncRead + Unpin), count: usize) -> String {
    let mut bytes = vec![0; count];
    side.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn rest(side: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    side.read_to_string(&mut text).await.unwrap();
    text
}

async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

//! What is told of each outgoing call, by real clients over real sockets: in which order, and what of it is there when
//! the call runs into its deadline.

mod secured;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_deadline::propagate::trace::{
    CallTrace, TracedConnector, TracedResolver, TracedTls, Written, WrittenBody, WrittenLayer,
};
use tower_deadline::{CallEvent, Deadline, Propagate, PropagateError, PropagateLayer, now};

use self::secured::{NAME, Secure};
use crate::support::{MS, Place, soon};
use crate::wire::Full as Blackhole;

/// What was told, and what remained then.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(String, Duration)>>);

impl CallTrace for Heard {
    fn event(&self, event: &CallEvent<'_>, remaining: Option<Duration>) {
        let word = match event {
            CallEvent::Connected { reused: true, .. } => "kept".to_owned(),
            CallEvent::Connected { .. } => "new".to_owned(),
            CallEvent::ResolveStart { name } => format!("resolve_start {name}"),
            _ if event.error().is_some() => format!("{} failed", event.as_str()),
            _ => event.as_str().to_owned(),
        };
        self.0.lock().unwrap().push((word, remaining.expect("every call here has a deadline")));
    }
}

impl Heard {
    /// The words since the last time. What remains only ever becomes less.
    fn all(&self) -> Vec<String> {
        let told = std::mem::take(&mut *self.0.lock().unwrap());
        assert!(told.is_sorted_by(|before, after| before.1 >= after.1), "{told:?}");
        told.into_iter().map(|(word, _)| word).collect()
    }
}

type Body = Full<Bytes>;
type Plain = Propagate<Written<Client<TracedConnector<Http>, WrittenBody<Body>>>>;
type Http = HttpConnector<TracedResolver<GaiResolver>>;

fn traced() -> (Arc<Heard>, PropagateLayer) {
    let heard = Arc::<Heard>::default();
    (heard.clone(), PropagateLayer::new().trace(heard))
}

fn plain(layer: &PropagateLayer, http2: bool) -> Plain {
    let http = HttpConnector::new_with_resolver(TracedResolver::new(GaiResolver::new()));
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build(TracedConnector::new(http));
    ServiceBuilder::new().layer(layer.clone()).layer(WrittenLayer::new()).service(client)
}

fn request(url: &str, budget: u32, body: &'static str) -> Request<Body> {
    let deadline = Deadline::after(now(), budget * MS);
    Request::post(url).extension(deadline).body(Full::from(body)).unwrap()
}

async fn charge(client: &Plain, url: &str) -> Result<Bytes, PropagateError> {
    let answer = client.clone().oneshot(request(url, 30_000, "an order")).await?;
    Ok(answer.into_body().collect().await.unwrap().to_bytes())
}

/// Serves whoever comes, by either version. Returns where.
async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new().fallback(async |body: Bytes| body);
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

/// What a call has that is to run into its deadline, in milliseconds: what comes before that has its time on a busy machine.
const SHORT: u32 = 1_500;

const SENT: [&str; 3] = ["request_written", "first_byte", "last_byte"];

#[tokio::test]
async fn the_steps_of_a_call_are_told_in_their_order_and_those_of_a_kept_connection_alone_the_next_time() {
    let port = serve().await;
    for http2 in [false, true] {
        let (heard, layer) = traced();
        let client = plain(&layer, http2);
        let url = format!("http://localhost:{port}/");
        assert_eq!(soon("a first call", charge(&client, &url)).await.unwrap(), "an order");
        let made = ["resolve_start localhost", "resolve_end", "connect_start", "connect_end", "new"];
        assert_eq!(heard.all(), [&made[..], &SENT].concat());
        // hyper takes a connection of HTTP/1.1 back in a task of its own.
        tokio::task::yield_now().await;
        let mut told = Vec::new();
        for _ in 0..50 {
            assert_eq!(soon("another call", charge(&client, &url)).await.unwrap(), "an order");
            told = heard.all();
            if told.first().is_some_and(|first| first == "kept") {
                break;
            }
        }
        assert_eq!(told, [&["kept"][..], &SENT].concat());
    }
}

#[tokio::test]
async fn a_name_that_is_none_and_a_port_that_refuses_are_told_with_their_reasons() {
    let (heard, layer) = traced();
    let client = plain(&layer, false);
    // A label of more than 63 letters is no name, and no server has to be asked for it.
    let name = format!("{}.invalid", "a".repeat(64));
    assert!(soon("a dead name", charge(&client, &format!("http://{name}/"))).await.is_err());
    assert_eq!(heard.all(), [format!("resolve_start {name}"), "resolve_end failed".to_owned()]);
    let nobody = Place::take();
    assert!(soon("a refusal", charge(&client, &format!("http://{}/", nobody.address))).await.is_err());
    assert_eq!(heard.all(), ["connect_start", "connect_end failed"]);
}

#[tokio::test]
async fn a_call_that_runs_into_its_deadline_has_told_how_far_it_came() {
    let (heard, layer) = traced();
    let client = plain(&layer, false);
    let blackhole = Blackhole::start().await;
    let url = format!("http://{}/", blackhole.address);
    let stopped = soon("the deadline", client.clone().oneshot(request(&url, SHORT, ""))).await;
    assert!(matches!(stopped, Err(PropagateError::Exceeded(_))));
    assert_eq!(heard.all(), ["connect_start"]);

    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    let stopped = soon("the deadline", client.clone().oneshot(request(&url, SHORT, "an order"))).await;
    assert!(matches!(stopped, Err(PropagateError::Exceeded(_))));
    assert_eq!(heard.all(), ["connect_start", "connect_end", "new", "request_written"]);
}

#[tokio::test]
async fn tls_is_told_apart_from_the_connection_beneath_it() {
    let certified = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let _read = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        // And never takes another one.
        let (_stalled, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let (heard, layer) = traced();
    let client = || {
        let connector = TracedTls::new(Secure::trusting(roots.clone()));
        layer.layer(Client::builder(TokioExecutor::new()).build::<_, Body>(connector))
    };
    let answer = soon("an answer", client().oneshot(request(&url, 30_000, ""))).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let made = ["connect_start", "connect_end", "tls_start", "tls_end", "new", "first_byte", "last_byte"];
    assert_eq!(heard.all(), made);
    let stalled = soon("the deadline", client().oneshot(request(&url, SHORT, ""))).await;
    assert!(matches!(stalled, Err(PropagateError::Exceeded(_))));
    assert_eq!(heard.all(), ["connect_start", "connect_end", "tls_start"]);
}

#[tokio::test]
async fn a_reqwest_client_tells_of_its_connections_and_of_each_attempt() {
    let (heard, layer) = traced();
    let client = layer.reqwest().build(reqwest::Client::builder().no_proxy()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new()
        .route("/moved", axum::routing::get(async || axum::response::Redirect::temporary("/")))
        .route("/", axum::routing::get(async || "here"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let call = |url: String, budget: u32| {
        let request = reqwest::Request::new(http::Method::GET, url.parse().unwrap());
        let deadline = Deadline::after(now(), budget * MS);
        let calling = client.execute(tower_deadline::reqwest::WithDeadline::new(request, deadline));
        async move { Ok::<_, PropagateError>(calling.await?.text().await.unwrap()) }
    };
    assert_eq!(soon("a redirect", call(format!("http://{address}/moved"), 30_000)).await.unwrap(), "here");
    let told = heard.all();
    assert_eq!(told[..4], ["connect_start", "connect_end", "new", "first_byte"]);
    // The connection may not be back in time for the second attempt.
    let again = if told[4] == "kept" { &["kept"][..] } else { &["connect_start", "connect_end", "new"] };
    assert_eq!(told[4..], [again, &["first_byte", "last_byte"]].concat());

    let blackhole = Blackhole::start().await;
    let stopped = soon("the deadline", call(format!("http://{}/", blackhole.address), SHORT)).await;
    assert!(matches!(stopped, Err(PropagateError::Exceeded(_))));
    assert_eq!(heard.all(), ["connect_start"]);
}

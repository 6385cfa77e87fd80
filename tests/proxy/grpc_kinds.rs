//! The four kinds of calls, by tonic on both sides of the proxy (R13, R15, R24).

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use deadline_testkit::Probe;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt, once};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tower_deadline::Dialect;

use crate::support::{End, H2Client, MS, Proxy, Stopwatch, eventually, soon};

/// What the build script made.
#[expect(unused_qualifications, unreachable_pub, clippy::allow_attributes, reason = "generated code has its own style")]
mod shop {
    tonic::include_proto!("shop.Market");
}

use shop::market_client::MarketClient;
use shop::market_server::{Market, MarketServer};

const BUDGET: Duration = Duration::from_millis(300);

/// Bytes that are no text.
const BINARY: &[u8] = &[0, 1, 0xfe, 0xff];

type Down = Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;

/// Answers what it is told: `never` is not answered, and its end is seen by the probe. `left` is answered with the
/// deadline fields of the call, `refuse` with an error.
#[derive(Clone, Default)]
struct Stall {
    never: Probe,
}

impl Stall {
    async fn answer(&self, word: &str) -> String {
        if word == "never" {
            self.never.watch(std::future::pending::<()>()).await;
        }
        format!("you said {word}")
    }

    /// Answers each word when it comes, until `never`.
    fn answers(self, words: impl Stream<Item = Result<String, Status>> + Send + 'static) -> Down {
        Box::pin(words.then(move |word| {
            let stall = self.clone();
            async move { Ok(stall.answer(&word?).await) }
        }))
    }
}

#[tonic::async_trait]
impl Market for Stall {
    async fn one(&self, request: Request<String>) -> Result<Response<String>, Status> {
        let metadata = request.metadata().clone();
        if request.get_ref() == "refuse" {
            let details = bytes::Bytes::from_static(BINARY);
            return Err(Status::with_details_and_metadata(Code::NotFound, "no \u{e9}clair: 100%", details, metadata));
        }
        if request.get_ref() == "left" {
            let fields = [Dialect::GrpcTimeout, Dialect::XRequestTimeout].map(Dialect::as_str);
            let fields = fields.map(|name| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none"));
            return Ok(Response::new(fields.join(" ")));
        }
        let mut response = Response::new(self.answer(request.get_ref()).await);
        *response.metadata_mut() = metadata;
        Ok(response)
    }

    async fn many_up(&self, request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
        let (mut words, mut said) = (request.into_inner(), Vec::new());
        // A stream that goes on ends with its caller.
        let read = async {
            while let Some(word) = words.message().await? {
                said.push(word);
            }
            Ok::<_, Status>(())
        };
        self.never.watch(read).await?;
        Ok(Response::new(format!("you said {}", said.join(", "))))
    }

    type ManyDownStream = Down;

    async fn many_down(&self, request: Request<String>) -> Result<Response<Down>, Status> {
        let word = request.into_inner();
        let words = ["one", "two"].map(|word| Ok(word.to_owned()));
        Ok(Response::new(self.clone().answers(tokio_stream::iter(words).chain(once(Ok(word))))))
    }

    type ManyBothStream = Down;

    async fn many_both(&self, request: Request<Streaming<String>>) -> Result<Response<Down>, Status> {
        Ok(Response::new(self.clone().answers(request.into_inner())))
    }
}

/// A server of tonic, the proxy in front of it, and a client behind that.
struct Hop {
    proxy: Proxy,
    never: Probe,
    client: MarketClient<Channel>,
}

impl Hop {
    async fn new() -> Self {
        let stall = Stall::default();
        let never = stall.never.clone();
        let proxy = Proxy::to(serve(stall).await).await;
        let client = MarketClient::new(Endpoint::from_shared(proxy.url("")).unwrap().connect_lazy());
        Self { proxy, never, client }
    }

    async fn is_called(&self) {
        eventually("a call at the server", || self.never.in_flight() == 1).await;
    }

    /// It was called, and is no longer.
    async fn is_left(&self) {
        assert_eq!(self.never.called(), 1);
        // A read that fails is told so, and everything else is dropped.
        eventually("the end of the call at the server", || self.never.in_flight() == 0).await;
    }
}

async fn serve(stall: Stall) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(MarketServer::new(stall));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// A message or a stream whose timeout is written in the dialect of HTTP, which tonic's own client does not keep.
fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-request-timeout", "300ms".parse().unwrap());
    request
}

/// What a client says, word by word. The stream goes on until the sender is dropped.
fn words() -> (UnboundedSender<String>, UnboundedReceiverStream<String>) {
    let (say, words) = unbounded_channel();
    (say, UnboundedReceiverStream::new(words))
}

fn say(say: &UnboundedSender<String>, word: &str) {
    say.send(word.to_owned()).unwrap();
}

async fn heard(answers: &mut Streaming<String>) -> Result<Option<String>, Status> {
    soon("an answer", answers.message()).await
}

#[tokio::test]
async fn one_message_passes_each_way_with_its_metadata() {
    let mut hop = Hop::new().await;
    let mut request = within("yes".to_owned());
    request.metadata_mut().append("x-tag", "one".parse().unwrap());
    request.metadata_mut().append("x-tag", "two".parse().unwrap());
    request.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(BINARY));
    let response = soon("an answer", hop.client.one(request)).await.unwrap();
    assert_eq!(response.get_ref(), "you said yes");
    let metadata = response.metadata();
    assert_eq!(metadata.get_all("x-tag").iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(metadata.get_bin("x-trace-bin").unwrap().to_bytes().unwrap(), BINARY);
}

#[tokio::test]
async fn a_refusal_passes_with_its_details_and_metadata() {
    let mut hop = Hop::new().await;
    let mut request = within("refuse".to_owned());
    request.metadata_mut().insert("x-tag", "one".parse().unwrap());
    request.metadata_mut().insert_bin("x-trace-bin", MetadataValue::from_bytes(BINARY));
    let status = soon("an answer", hop.client.one(request)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no \u{e9}clair: 100%"));
    assert_eq!(status.details(), BINARY);
    assert_eq!(status.metadata().get("x-tag").unwrap(), "one");
    assert_eq!(status.metadata().get_bin("x-trace-bin").unwrap().to_bytes().unwrap(), BINARY);
}

/// An answer that is a head and nothing else stays one.
#[tokio::test]
async fn trailers_only_stays_trailers_only() {
    let hop = Hop::new().await;
    let request = http::Request::post(hop.proxy.url("/shop.Market/One"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
    let message = bytes::Bytes::from_static(b"\0\0\0\0\x08\x0a\x06refuse");
    let reply = H2Client::connect(hop.proxy.address).await.post(request, message, None).await;
    assert_eq!((reply.status, reply.data.len(), reply.end), (200, 0, End::Data));
    assert_eq!(reply.headers["grpc-status"], "5");
    assert_eq!(reply.headers["grpc-message"], "no%20%C3%A9clair:%20100%25");
}

#[tokio::test]
async fn many_messages_pass_up() {
    let mut hop = Hop::new().await;
    let (tell, words) = words();
    ["one", "two", "three"].iter().for_each(|word| say(&tell, word));
    drop(tell);
    let answer = soon("an answer", hop.client.many_up(within(words))).await.unwrap();
    assert_eq!(answer.into_inner(), "you said one, two, three");
}

#[tokio::test]
async fn many_messages_pass_down() {
    let mut hop = Hop::new().await;
    let mut answers = soon("a head", hop.client.many_down(within("three".to_owned()))).await.unwrap().into_inner();
    for word in ["one", "two", "three"] {
        assert_eq!(heard(&mut answers).await.unwrap(), Some(format!("you said {word}")));
    }
    assert_eq!(heard(&mut answers).await.unwrap(), None);
    assert!(soon("trailers", answers.trailers()).await.unwrap().is_some());
}

/// Each word is answered before the next one is said, so nothing is kept back on either way.
#[tokio::test]
async fn many_messages_pass_both_ways_in_turn() {
    let mut hop = Hop::new().await;
    let (tell, words) = words();
    say(&tell, "0");
    let mut answers = soon("a head", hop.client.many_both(within(words))).await.unwrap().into_inner();
    for turn in 0..20 {
        assert_eq!(heard(&mut answers).await.unwrap(), Some(format!("you said {turn}")));
        say(&tell, &(turn + 1).to_string());
    }
    assert_eq!(heard(&mut answers).await.unwrap(), Some("you said 20".to_owned()));
    drop(tell);
    assert_eq!(heard(&mut answers).await.unwrap(), None);
}

#[tokio::test]
async fn a_deadline_ends_one_message_before_its_answer() {
    let mut hop = Hop::new().await;
    let clock = Stopwatch::start();
    let status = soon("an answer", hop.client.one(within("never".to_owned()))).await.unwrap_err();
    clock.assert_due(BUDGET);
    // R24: the server's own timer, which answers CANCELLED, is a little ahead of ours.
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    hop.is_left().await;
}

#[tokio::test]
async fn a_deadline_ends_messages_up_that_go_on() {
    let mut hop = Hop::new().await;
    let clock = Stopwatch::start();
    let (tell, words) = words();
    let going_on = tokio::spawn(async move {
        while tell.send("more".to_owned()).is_ok() {
            tokio::time::sleep(10 * MS).await;
        }
    });
    let status = soon("an answer", hop.client.many_up(within(words))).await.unwrap_err();
    clock.assert_due(BUDGET);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    hop.is_left().await;
    soon("the end of what is sent", going_on).await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_messages_down_after_those_that_came() {
    let mut hop = Hop::new().await;
    let clock = Stopwatch::start();
    let mut answers = soon("a head", hop.client.many_down(within("never".to_owned()))).await.unwrap().into_inner();
    for word in ["one", "two"] {
        assert_eq!(heard(&mut answers).await.unwrap(), Some(format!("you said {word}")));
    }
    let status = heard(&mut answers).await.unwrap_err();
    clock.assert_due(BUDGET);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    hop.is_left().await;
}

#[tokio::test]
async fn a_deadline_ends_messages_both_ways() {
    let mut hop = Hop::new().await;
    let clock = Stopwatch::start();
    let (tell, words) = words();
    say(&tell, "one");
    let mut answers = soon("a head", hop.client.many_both(within(words))).await.unwrap().into_inner();
    assert_eq!(heard(&mut answers).await.unwrap(), Some("you said one".to_owned()));
    say(&tell, "never");
    let status = heard(&mut answers).await.unwrap_err();
    clock.assert_due(BUDGET);
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    hop.is_left().await;
    eventually("what is said is no longer taken", || tell.is_closed()).await;
}

// R15
#[tokio::test]
async fn a_client_that_leaves_one_message_leaves_the_server() {
    let hop = Hop::new().await;
    let mut client = hop.client.clone();
    let call = tokio::spawn(async move { client.one("never".to_owned()).await });
    hop.is_called().await;
    call.abort();
    hop.is_left().await;
}

// R15
#[tokio::test]
async fn a_client_that_leaves_messages_up_leaves_the_server() {
    let hop = Hop::new().await;
    let mut client = hop.client.clone();
    let (tell, words) = words();
    let call = tokio::spawn(async move { client.many_up(words).await });
    say(&tell, "one");
    hop.is_called().await;
    call.abort();
    hop.is_left().await;
}

// R15
#[tokio::test]
async fn a_client_that_leaves_messages_down_leaves_the_server() {
    let mut hop = Hop::new().await;
    let mut answers = soon("a head", hop.client.many_down("never".to_owned())).await.unwrap().into_inner();
    assert_eq!(heard(&mut answers).await.unwrap(), Some("you said one".to_owned()));
    hop.is_called().await;
    drop(answers);
    hop.is_left().await;
}

/// By frames: a client of hyper keeps its stream for as long as it has something to say, whoever listens.
// R15
#[tokio::test]
async fn a_client_that_leaves_messages_both_ways_leaves_the_server() {
    let hop = Hop::new().await;
    let request = http::Request::post(hop.proxy.url("/shop.Market/ManyBoth"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
    let (answers, mut words) = H2Client::connect(hop.proxy.address).await.open(request, false).await;
    words.send_data(bytes::Bytes::from_static(b"\0\0\0\0\x07\x0a\x05never"), false).unwrap();
    let answers = soon("a head", answers).await.unwrap();
    hop.is_called().await;
    drop((answers, words));
    hop.is_left().await;
}

// R9
#[tokio::test]
async fn the_server_is_told_what_is_left_in_both_words_behind_two_hops_as_well() {
    let hop = Hop::new().await;
    let far = Proxy::to(hop.proxy.address).await;
    for proxy in [&hop.proxy, &far] {
        let mut client = MarketClient::new(Endpoint::from_shared(proxy.url("")).unwrap().connect_lazy());
        let mut request = Request::new("left".to_owned());
        request.metadata_mut().insert("grpc-timeout", "5S".parse().unwrap());
        let response = soon("an answer", client.one(request)).await.unwrap();
        let told: Vec<_> =
            response.get_ref().split(' ').zip([Dialect::GrpcTimeout, Dialect::XRequestTimeout]).collect();
        for (field, dialect) in told {
            let left = dialect.decode(field.as_bytes(), std::time::UNIX_EPOCH).unwrap().unwrap();
            assert!((1_000 * MS..5_000 * MS).contains(&left), "{dialect}: {left:?}");
        }
    }
}

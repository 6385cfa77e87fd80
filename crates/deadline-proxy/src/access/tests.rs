//! What is written of a request, in each of the ways that it can end.

use super::*;
use bytes::Bytes;
use deadline_testkit::{ScriptedBody, Step, assert_body_passes};
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_deadline::dialect::request_start;
use tower_deadline::dialect::server_timing::SERVER_TIMING;
use tower_deadline::dialect::trail::DEADLINE_EXCEEDED;
use tower_deadline::{BodyError, DeadlineLayer, Dialects, Policy, Stage};

use crate::client::Client;
use crate::front::FrontLayer;
use crate::noted::Noted;

const MS: Duration = Duration::from_millis(1);

/// What was written, by whatever thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log, and what stands in it once it has been flushed.
struct Book {
    log: AccessLog,
    flush: Flush,
    captured: Captured,
}

impl Book {
    fn new(what: What, format: Format) -> Self {
        let captured = Captured::default();
        let settings = Settings { what, format, ..Settings::default() };
        let (log, flush) = AccessLog::to(captured.clone(), &settings);
        Self { log, flush, captured }
    }

    fn layer(&self) -> FrontLayer {
        FrontLayer::new().access(AccessLayer::new(Some(self.log.clone())))
    }

    fn text(self) -> String {
        drop(self.flush);
        String::from_utf8(self.captured.0.lock().unwrap().clone()).unwrap()
    }

    /// Its lines, each without its time.
    fn lines(self) -> Vec<String> {
        let text = self.text();
        let untimed = |line: &str| {
            let (time, rest) = line.split_once(' ').unwrap();
            let shape: String = time.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
            assert_eq!(shape, "time=0000-00-00T00:00:00.000Z");
            rest.to_owned()
        };
        text.lines().map(untimed).collect()
    }
}

/// The answer of an upstream that does what the path says, behind a route with a budget of a second.
async fn ask<RB>(
    layer: FrontLayer,
    request: Request<RB>,
) -> io::Result<Response<impl Body<Data = Bytes, Error = BodyError> + Unpin>>
where
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (name, policy) = (Arc::from("orders"), Policy::new().named("paid").default_timeout(1_000 * MS));
    let route_policy = policy.name();
    let service = ServiceBuilder::new()
        .layer(layer)
        .map_request(move |request: Request<_>| {
            routed(&request, &name, route_policy, &Dialects::default());
            request
        })
        .layer(DeadlineLayer::new(policy))
        .map_request(|request: Request<_>| {
            let extensions = request.extensions();
            let admit = |record: &Record| record.admitted(extensions.get().copied(), extensions.get().cloned());
            Record::of(extensions).iter().for_each(admit);
            request
        })
        .service_fn(upstream);
    service.oneshot(request).await
}

async fn upstream<RB>(request: Request<RB>) -> io::Result<Response<ScriptedBody>>
where
    RB: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let record = Record::of(request.extensions());
    let enter = |stage| record.as_ref().map(|record| record.enter(stage));
    if let Some(record) = &record {
        record.id(&HeaderValue::from_static("r-1"));
        record.attempt(&"corp".into());
    }
    let open = enter(Stage::Pool);
    sleep(20 * MS).await;
    drop(open);
    let _open = enter(Stage::Upstream);
    let path = request.uri().path().to_owned();
    request.into_body().collect().await.map_err(io::Error::other)?;
    sleep(30 * MS).await;
    let steps = match path.as_str() {
        "/never" => std::future::pending().await,
        "/fails" => return Err(io::Error::other("refused")),
        "/stops" => vec![Step::Data("abc"), Step::Stall],
        "/grpc" => {
            let trailers = [("grpc-status", "14")].map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            vec![Step::Data("abc"), Step::Trailers(trailers.into_iter().collect())]
        }
        "/breaks" => vec![Step::Data("abc"), Step::Error],
        "/below" | "/limited" => {
            let trail = match path.as_str() {
                "/limited" => "origin=code, stage=queue, cause=deadline, hop=\"orders\"",
                _ => "origin=header, stage=database, cause=deadline, hop=\"payments\", origin_hop=\"edge\"",
            };
            let answer = Response::builder().status(504).header(&DEADLINE_EXCEEDED, trail);
            let answer = answer.header(&SERVER_TIMING, "db;dur=9, hop.payments;dur=30;desc=\"budget=40\"");
            return answer.body(ScriptedBody::full("late")).map_err(io::Error::other);
        }
        _ => vec![Step::Data("abc"), Step::Data("de")],
    };
    Ok(Response::new(ScriptedBody::new(steps)))
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "shop.example").body(Empty::new()).unwrap()
}

/// What is kept of this request, without a log.
async fn kept(request: Request<Empty<Bytes>>, patience: Duration) -> Vec<serde_json::Value> {
    let layer = AccessLayer::new(None).keeping(9);
    read_by(FrontLayer::new().access(layer.clone()), request, patience).await;
    let told: serde_json::Value = serde_json::from_str(&layer.expired().json()).unwrap();
    told["requests"].as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_under_a_deadline_is_kept_with_a_picture_of_its_time() {
    let requests = kept(get("/never"), 9_000 * MS).await;
    let [told] = &requests[..] else { panic!("{requests:?}") };
    let expected = serde_json::json!({
        "id": "r-1", "path": "/never", "route": "orders", "policy": "paid", "upstream": "corp", "attempts": 1, "status": 504,
        "stage": "handler", "cause": "deadline", "budget_ms": 1000.0, "elapsed_ms": 1000.0, "origin": "policy",
        "steps": [[0.0, 20.0, "pool"], [20.0, 1000.0, "upstream"]], "hops": [],
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&told[key], value, "{key}: {told}");
    }
    let left = kept(get("/stops"), 100 * MS).await;
    assert_eq!((&left[0]["cause"], &left[0]["elapsed_ms"]), (&"client_gone".into(), &100.0.into()));
    let stopped = kept(get("/stops"), 9_000 * MS).await;
    assert_eq!((&stopped[0]["stage"], &stopped[0]["ended"]), (&"response_body".into(), &"stopped".into()));
}

#[tokio::test(start_paused = true)]
async fn what_a_hop_downstream_has_stopped_is_kept_too_with_what_the_hops_tell() {
    let requests = kept(get("/below"), 9_000 * MS).await;
    let told = |key: &str| requests[0][key].clone();
    assert_eq!((told("stage"), told("cause"), told("hop")), ("database".into(), "deadline".into(), "payments".into()));
    assert_eq!((told("elapsed_ms"), told("status")), (50.0.into(), 504.into()));
    assert_eq!(told("hops"), serde_json::json!(["hop.payments;dur=30;desc=\"budget=40\""]));
    let book = Book::new(What::Sampled(0.0), Format::Text);
    read(&book, get("/below"), 9_000 * MS).await;
    let lines = book.lines();
    assert!(lines[0].contains(" stage=database cause=deadline hop=payments origin_hop=edge "), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_a_hop_downstream_has_of_its_own_is_told_by_its_kind() {
    let book = Book::new(What::Full, Format::Text);
    read(&book, get("/limited"), 9_000 * MS).await;
    let lines = book.lines();
    let told = " origin=code stage=queue cause=deadline hop=orders origin_hop=orders ";
    assert!(lines[0].contains(" budget_ms=1000 ") && lines[0].contains(told), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ended_otherwise_or_had_no_deadline_is_not_kept() {
    for path in ["/whole", "/breaks", "/fails", "/grpc"] {
        assert_eq!(kept(get(path), 9_000 * MS).await.len(), 0, "{path}");
    }
    // One that leaves, where nobody had a deadline.
    let layer = AccessLayer::new(None).keeping(9);
    let service = FrontLayer::new().access(layer.clone()).layer(service_fn(upstream));
    let _ = timeout(100 * MS, service.oneshot(get("/never"))).await;
    assert!(layer.expired().json().ends_with("\"requests\":[]}"), "{}", layer.expired().json());
}

/// Asks, and reads until the end, an error, or until there is nothing more for so long.
async fn read(book: &Book, request: Request<Empty<Bytes>>, patience: Duration) {
    read_by(book.layer(), request, patience).await;
}

async fn read_by(layer: FrontLayer, request: Request<Empty<Bytes>>, patience: Duration) {
    let _ = timeout(patience, async {
        if let Ok(answer) = ask(layer, request).await {
            let mut body = answer.into_body();
            while let Some(Ok(_)) = body.frame().await {}
        }
    })
    .await;
}

const HEAD: &str = "id=r-1 method=GET host=shop.example";
const WAY: &str = "version=1.1 route=orders policy=paid upstream=corp attempts=1";

#[tokio::test(start_paused = true)]
async fn a_line_tells_how_a_request_ended_and_where_its_time_went() {
    let granted = "budget_ms=1000 left_ms";
    for (path, patience, told) in [
        (
            "/whole?token=secret",
            9_000,
            format!(
                "status=200 ended=complete duration_ms=50 {granted}=950 origin=policy origin_detail=paid spent=pool:20,upstream:30 received=0 sent=5"
            ),
        ),
        (
            "/never",
            9_000,
            format!(
                "status=504 ended=complete duration_ms=1000 {granted}=0 origin=policy origin_detail=paid stage=handler cause=deadline spent=pool:20,upstream:980 received=0 sent=SENT"
            ),
        ),
        (
            "/never",
            40,
            format!(
                "status=499 ended=unanswered duration_ms=40 {granted}=960 origin=policy origin_detail=paid stage=upstream cause=client_gone spent=pool:20,upstream:20 received=0 sent=0"
            ),
        ),
        (
            "/never",
            10,
            format!(
                "status=499 ended=unanswered duration_ms=10 {granted}=990 origin=policy origin_detail=paid stage=pool cause=client_gone spent=pool:10 received=0 sent=0"
            ),
        ),
        (
            "/stops",
            9_000,
            format!(
                "status=200 ended=stopped duration_ms=1000 {granted}=0 origin=policy origin_detail=paid stage=response_body cause=deadline spent=pool:20,upstream:30,response_body:950 received=0 sent=3"
            ),
        ),
        (
            "/stops",
            100,
            format!(
                "status=200 ended=dropped duration_ms=100 {granted}=900 origin=policy origin_detail=paid stage=response_body cause=client_gone spent=pool:20,upstream:30,response_body:50 received=0 sent=3"
            ),
        ),
        (
            "/breaks",
            9_000,
            format!(
                "status=200 ended=broken duration_ms=50 {granted}=950 origin=policy origin_detail=paid spent=pool:20,upstream:30 received=0 sent=3"
            ),
        ),
        (
            "/fails",
            9_000,
            format!(
                "ended=unanswered duration_ms=50 {granted}=950 origin=policy origin_detail=paid spent=pool:20,upstream:30 received=0 sent=0"
            ),
        ),
    ] {
        let book = Book::new(What::Full, Format::Text);
        read(&book, get(path), patience * MS).await;
        let lines = book.lines();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let path = path.split('?').next().unwrap_or_default();
        let expected = format!("{HEAD} path={path} {WAY} {told}");
        let (expected, line) = (expected.replace(" sent=SENT", ""), line.as_str());
        // How long a document is, is not ours to say.
        let line = if told.ends_with("SENT") { line.rsplit_once(" sent=").unwrap().0 } else { line };
        assert_eq!(line, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_let_in_has_its_route_and_whose_word_that_was() {
    let book = Book::new(What::Full, Format::Text);
    let mut request = get("/");
    request.headers_mut().insert("x-request-timeout", HeaderValue::from_static("0"));
    request
        .extensions_mut()
        .insert(Client { address: Some(([203, 0, 113, 9], 4711).into()), ..Client::default() });
    read(&book, request, 9_000 * MS).await;
    let lines = book.lines();
    let expected = "client=203.0.113.9:4711 method=GET host=shop.example path=/ version=1.1 route=orders policy=paid \
                    attempts=0 status=504 ended=complete duration_ms=0 budget_ms=0 left_ms=0 origin=header \
                    origin_detail=x-request-timeout stage=arrival cause=deadline received=0 sent=";
    assert!(lines.len() == 1 && lines[0].starts_with(expected), "{lines:?}");
}

// R8
#[test]
fn a_queue_in_front_is_told_where_the_front_is_trusted() {
    for trusted in [true, false] {
        #[expect(clippy::disallowed_methods, reason = "a stamp is an instant of the wall clock")]
        let stamped = SystemTime::now() - 2_000 * MS;
        let stamp = HeaderValue::try_from(&request_start::encode(stamped).unwrap()).unwrap();
        let record = Record::default();
        let noted = Noted { record: Some(record.clone()), ..Noted::default() };
        let request = Request::get("/").header(request_start::NAME, stamp).extension(noted);
        let dialects = Dialects::default().trust_request_start(trusted);
        routed(&request.body(()).unwrap(), &Arc::from("orders"), Policy::new().name(), &dialects);
        let spent = record.notes().spent.by_stage();
        let queued = spent.iter().any(|(stage, time)| *stage == Stage::Queue && *time >= 2_000 * MS);
        assert_eq!((queued, spent.len()), (trusted, usize::from(trusted)), "{spent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_in_json_has_the_same_keys() {
    let book = Book::new(What::Full, Format::Json);
    read(&book, get("/never"), 40 * MS).await;
    let mut line: serde_json::Value = serde_json::from_str(&book.text()).unwrap();
    assert!(line["time"].take().as_str().is_some_and(|time| time.ends_with('Z')));
    let expected = serde_json::json!({
        "time": null, "id": "r-1", "method": "GET", "host": "shop.example", "path": "/never", "version": "1.1",
        "route": "orders", "policy": "paid", "upstream": "corp", "attempts": 1, "status": 499, "ended": "unanswered",
        "duration_ms": 40.0, "budget_ms": 1000.0, "left_ms": 960.0, "origin": "policy", "origin_detail": "paid",
        "stage": "upstream", "cause": "client_gone", "spent": { "pool": 20.0, "upstream": 20.0 },
        "received": 0, "sent": 0,
    });
    assert_eq!(line, expected);
}

/// hyper does not ask for the end of a body whose length it knows, nor for any of what it does not send.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_asked_for_its_end_is_complete() {
    let book = Book::new(What::Full, Format::Text);
    let inner = service_fn(async |request: Request<ReceivedBody<Empty<Bytes>>>| {
        let body = ScriptedBody::new([Step::Data("abc"), Step::Data("de")]);
        let length = if request.uri().path() == "/long" { 9 } else { 5 };
        Ok::<_, io::Error>(Response::builder().header("content-length", length).body(body).unwrap())
    });
    let service = book.layer().layer(inner);
    for (method, path, frames) in [(Method::GET, "/", 2), (Method::GET, "/long", 2), (Method::HEAD, "/", 0)] {
        let request = Request::builder().method(method).uri(path).body(Empty::<Bytes>::new()).unwrap();
        let mut body = service.clone().oneshot(request).await.unwrap().into_body();
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
    }
    let ended = |line: &String| line.split(' ').find_map(|field| Some(field.strip_prefix("ended=")?.to_owned()));
    let ended: Vec<_> = book.lines().iter().filter_map(ended).collect();
    assert_eq!(ended, ["complete", "dropped", "complete"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_body_is_counted_and_waited_for_in_a_stage_of_its_own() {
    let book = Book::new(What::Full, Format::Text);
    let frames = stream::unfold(["abcd", "ef"].into_iter(), async |mut words| {
        let word = words.next()?;
        sleep(100 * MS).await;
        Some((Ok::<_, io::Error>(Frame::data(Bytes::from(word))), words))
    });
    let request = Request::post("/").body(StreamBody::new(Box::pin(frames))).unwrap();
    let answer = ask(book.layer(), request).await.unwrap();
    drop(answer.into_body().collect().await);
    let lines = book.lines();
    assert!(lines[0].contains(" spent=pool:20,upstream:30,request_body:200 received=6 sent=5"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn of_sampled_requests_each_that_failed_has_a_line() {
    let book = Book::new(What::Sampled(0.0), Format::Text);
    for path in ["/whole", "/never", "/breaks", "/fails", "/grpc"] {
        read(&book, get(path), 9_000 * MS).await;
    }
    let text = book.text();
    let paths: Vec<_> = text.split(' ').filter_map(|field| field.strip_prefix("path=")).collect();
    assert_eq!(paths, ["/never", "/breaks", "/fails", "/grpc"]);
    assert!(text.contains(" status=200 grpc_status=14 ended=complete "), "{text}");

    let book = Book::new(What::Sampled(1.0), Format::Text);
    read(&book, get("/whole"), 9_000 * MS).await;
    assert_eq!(book.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_log_nothing_is_noted() {
    let service = FrontLayer::new().layer(service_fn(async |request: Request<ReceivedBody<Empty<Bytes>>>| {
        assert!(Record::of(request.extensions()).is_none() && request.extensions().is_empty());
        Ok::<_, io::Error>(Response::new(ScriptedBody::full("a")))
    }));
    service.oneshot(get("/")).await.unwrap();
    assert!(AccessLog::open(&Settings::default()).unwrap().is_none());
}

// R14
#[test]
fn bodies_pass_exactly() {
    assert_body_passes(|inner| ReceivedBody::new(inner, Some(Record::default())));
    assert_body_passes(|inner| ReceivedBody::around(Request::new(inner)).into_body());
}

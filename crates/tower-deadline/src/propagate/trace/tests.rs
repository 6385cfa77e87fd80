use super::*;
use crate::testing::{MS, poll};
use crate::{Deadline, Journey, Listener, Policy, PropagateError, PropagateLayer, WatchedBody, now};
use deadline_testkit::{ScriptedBody, Step};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use http_deadline::Ambient;
use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// What was heard: a word for each event, with what it says and the milliseconds that remained.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<String>>);

fn said(event: &CallEvent<'_>) -> String {
    let word = event.as_str();
    match (event, event.error()) {
        (_, Some(error)) => format!("{word}: {error}"),
        (CallEvent::ResolveStart { name }, _) => format!("{word} {name}"),
        (CallEvent::ConnectStart { address }, _) => format!("{word} {address}"),
        (CallEvent::Connected { reused, idle: None }, _) => format!("{word} {}", if *reused { "kept" } else { "new" }),
        _ => word.to_owned(),
    }
}

impl CallTrace for Heard {
    fn event(&self, event: &CallEvent<'_>, remaining: Option<Duration>) {
        let left = remaining.map_or("-".to_owned(), |left| left.as_millis().to_string());
        self.0.lock().unwrap().push(format!("{left} {}", said(event)));
    }
}

impl Listener for Heard {
    fn called(&self, event: &CallEvent<'_>) {
        self.0.lock().unwrap().push(said(event));
    }
}

impl Heard {
    /// What was heard since the last time.
    fn all(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn failed(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

/// How a scripted client fares. Each step takes so many milliseconds.
#[derive(Clone, Copy, Debug)]
struct Script {
    /// Whether the name is known.
    resolve: Option<bool>,
    connect: Result<u32, io::ErrorKind>,
    /// `None`: without TLS.
    tls: Option<Result<u32, io::ErrorKind>>,
}

const SCRIPT: Script = Script { resolve: None, connect: Ok(3), tls: None };

async fn takes(step: Result<u32, io::ErrorKind>) -> io::Result<()> {
    match step {
        Ok(0) => Ok(()),
        Ok(time) => {
            sleep(time * MS).await;
            Ok(())
        }
        Err(kind) => Err(failed(kind)),
    }
}

/// A connector as hyper-util's is made: TLS around a connection around a name.
async fn connect(script: Script) -> Result<(), crate::BoxError> {
    let resolver = TracedResolver::new(service_fn(|_: &'static str| async move {
        sleep(2 * MS).await;
        if script.resolve == Some(true) { Ok(()) } else { Err(failed(io::ErrorKind::NotFound)) }
    }));
    let socket = TracedConnector::new(service_fn(move |_: Uri| {
        let mut resolver = resolver.clone();
        async move {
            if script.resolve.is_some() {
                resolver.call("shop.example").await?;
            }
            takes(script.connect).await.map_err(crate::BoxError::from)
        }
    }));
    let secure = TracedTls::new(service_fn(move |to: Uri| {
        let mut socket = socket.clone();
        async move {
            socket.call(to).await?;
            match script.tls {
                Some(tls) => {
                    // A hello has to come back.
                    sleep(MS).await;
                    takes(tls).await.map_err(crate::BoxError::from)
                }
                None => Ok(()),
            }
        }
    }));
    secure.oneshot("https://shop.example:8443/orders".parse()?).await
}

type Answer = Response<WatchedBody<ScriptedBody>>;

/// A call by this layer, of a client that makes a connection or has one, and is answered after 10 ms.
fn calls(
    layer: &PropagateLayer,
    connection: Option<Script>,
    request: Request<()>,
) -> impl Future<Output = Result<Answer, PropagateError>> + use<> {
    let client = layer.layer(service_fn(move |_: Request<()>| async move {
        if let Some(script) = connection {
            connect(script).await?;
        }
        sleep(10 * MS).await;
        Ok::<_, crate::BoxError>(Response::new(ScriptedBody::new([Step::Data("charged"), Step::Pause])))
    }));
    client.oneshot(request)
}

fn within_ms(budget: u32) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(now(), budget * MS));
    request
}

fn traced() -> (PropagateLayer, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    (PropagateLayer::new().trace(heard.clone()), heard)
}

async fn read(answer: Result<Answer, PropagateError>) {
    answer.unwrap().into_body().collect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_is_told_step_by_step_with_what_remains() {
    let (layer, heard) = traced();
    let script = Script { resolve: Some(true), connect: Ok(3), tls: Some(Ok(4)) };
    read(calls(&layer, Some(script), within_ms(100)).await).await;
    let told = heard.all();
    assert_eq!(
        told,
        [
            "100 resolve_start shop.example",
            "98 resolve_end",
            "98 connect_start shop.example:8443",
            "95 connect_end",
            "95 tls_start",
            "90 tls_end",
            "90 connected new",
            "80 first_byte",
            "80 last_byte",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_there_is_told_as_kept_once_it_is_known_who_connects() {
    let (layer, heard) = traced();
    read(calls(&layer, None, within_ms(100)).await).await;
    assert_eq!(heard.all(), ["90 first_byte", "90 last_byte"], "nobody tells of connections");
    read(calls(&layer, Some(SCRIPT), within_ms(100)).await).await;
    assert_eq!(heard.all()[2], "97 connected new");
    read(calls(&layer, None, within_ms(100)).await).await;
    assert_eq!(heard.all(), ["100 connected kept", "90 first_byte", "90 last_byte"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_is_told_too() {
    let (layer, heard) = traced();
    read(calls(&layer, Some(SCRIPT), Request::new(())).await).await;
    let told = heard.all();
    assert_eq!(told.first().map(String::as_str), Some("- connect_start shop.example:8443"));
    assert_eq!(told.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_deadline_is_told_and_nothing_after_it() {
    for (script, told) in [
        (SCRIPT, &["1 connect_start shop.example:8443"][..]),
        (Script { connect: Ok(0), tls: Some(Ok(9)), ..SCRIPT }, &["connect_start", "connect_end", "tls_start"]),
        (Script { resolve: Some(true), ..SCRIPT }, &["1 resolve_start shop.example"]),
        (Script { connect: Ok(0), ..SCRIPT }, &["connect_start", "1 connect_end", "1 connected new"]),
    ] {
        let (layer, heard) = traced();
        let stopped = calls(&layer, Some(script), within_ms(1)).await;
        assert!(matches!(stopped, Err(PropagateError::Exceeded(_))));
        let found = heard.all();
        assert_eq!(found.len(), told.len(), "{found:?}");
        assert!(found.iter().zip(told).all(|(found, told)| found.contains(told)), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_is_told_with_its_reason_and_none_after_it() {
    let refused = io::ErrorKind::ConnectionRefused;
    for (script, last) in [
        (Script { resolve: Some(false), ..SCRIPT }, "98 resolve_end: entity not found"),
        (Script { connect: Err(refused), ..SCRIPT }, "100 connect_end: connection refused"),
        (Script { resolve: Some(true), connect: Err(refused), ..SCRIPT }, "98 connect_end: connection refused"),
        (Script { tls: Some(Err(io::ErrorKind::InvalidData)), ..SCRIPT }, "96 tls_end: invalid data"),
    ] {
        let (layer, heard) = traced();
        assert!(matches!(calls(&layer, Some(script), within_ms(100)).await, Err(PropagateError::Inner(_))));
        let told = heard.all();
        assert_eq!(told.last().map(String::as_str), Some(last), "{told:?}");
        assert!(!told.iter().any(|told| told.contains("connected")), "{told:?}");
        assert_eq!(told.len() % 2, 0, "each step has a beginning and an end: {told:?}");
    }
}

// R16
#[tokio::test(start_paused = true)]
async fn of_a_call_that_is_not_sent_nothing_is_told() {
    let (layer, heard) = traced();
    assert!(calls(&layer, Some(SCRIPT), within_ms(0)).await.is_err());
    assert!(heard.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_made_for_nobody_any_more_is_told_no_further() {
    let (layer, heard) = traced();
    let telling = layer.traced.begin(None, None).unwrap();
    let mut connecting = pin!(connect(Script { tls: Some(Ok(1)), ..SCRIPT }));
    assert!(telling.poll(|| poll(connecting.as_mut())).is_pending());
    assert_eq!(heard.all(), ["- connect_start shop.example:8443"]);
    // The task of a pool goes on with it.
    connecting.await.unwrap();
    assert!(heard.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_by_another_connection_than_the_one_begun_is_told_as_such() {
    let (layer, heard) = traced();
    let client = layer.layer(service_fn(|_: Request<()>| async {
        let mut connecting = pin!(connect(Script { connect: Ok(50), ..SCRIPT }));
        assert!(once(connecting.as_mut()).await.is_pending());
        sleep(10 * MS).await;
        Ok::<_, io::Error>(Response::new(ScriptedBody::full("")))
    }));
    drop(client.oneshot(within_ms(100)).await.unwrap());
    let told = heard.all();
    assert_eq!(told[..3], ["100 connect_start shop.example:8443", "90 connected kept", "90 first_byte"]);
}

/// Polls it once.
async fn once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn a_body_is_told_to_be_whole_only_where_it_is() {
    let whole = |steps: Vec<Step>| async move {
        let (layer, heard) = traced();
        let client = layer.layer(service_fn(move |_: Request<()>| {
            let answer = Response::new(ScriptedBody::new(steps.clone()));
            async { Ok::<_, io::Error>(answer) }
        }));
        let mut body = pin!(client.oneshot(within_ms(5)).await.unwrap().into_body());
        assert_eq!(heard.all(), ["5 first_byte"]);
        advance(2 * MS).await;
        while let Some(Ok(_)) = body.frame().await {}
        heard.all()
    };
    assert_eq!(whole(vec![Step::Data("a"), Step::Pause, Step::Data("b")]).await, ["3 last_byte"]);
    assert_eq!(whole(vec![Step::Data("a"), Step::Trailers(Default::default())]).await, ["3 last_byte"]);
    assert!(whole(vec![Step::Data("a"), Step::Error]).await.is_empty());
    assert!(whole(vec![Step::Data("a"), Step::Stall]).await.is_empty(), "it is cut at the deadline");
    let (layer, heard) = traced();
    let empty =
        layer.layer(service_fn(|_: Request<()>| async { Ok::<_, io::Error>(Response::new(ScriptedBody::full(""))) }));
    let body = empty.oneshot(within_ms(5)).await.unwrap().into_body();
    assert!(http_body::Body::is_end_stream(&body) && http_body::Body::is_end_stream(&body));
    assert_eq!(heard.all(), ["5 first_byte", "5 last_byte"], "nobody polls it");
}

struct Each(Mutex<Vec<Arc<Heard>>>);

impl CallTrace for Each {
    fn begins(&self) -> Option<Arc<dyn CallTrace>> {
        let heard = Arc::<Heard>::default();
        self.0.lock().unwrap().push(heard.clone());
        Some(heard)
    }

    fn event(&self, _: &CallEvent<'_>, _: Option<Duration>) {
        panic!("each call has a trace of its own");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_are_told_apart_where_each_has_a_trace() {
    let each = Arc::new(Each(Mutex::default()));
    let layer = PropagateLayer::new().trace(each.clone());
    let (one, other) = (within_ms(100), within_ms(50));
    let (one, other) = tokio::join!(calls(&layer, Some(SCRIPT), one), calls(&layer, None, other));
    read(one).await;
    read(other).await;
    let told: Vec<_> = each.0.lock().unwrap().iter().map(|heard| heard.all()).collect();
    assert_eq!((told.len(), told[0].len()), (2, 5));
    assert_eq!(told[1], ["50 connected kept", "40 first_byte", "37 last_byte"]);
}

fn listened() -> (Journey, Arc<Heard>) {
    let (journey, heard) = (Journey::new(Arc::new(Policy::new()), true), Arc::<Heard>::default());
    journey.listen(heard.clone());
    (journey, heard)
}

#[tokio::test(start_paused = true)]
async fn who_listens_to_the_journey_hears_of_its_calls_with_and_without_a_deadline() {
    let (journey, heard) = listened();
    let whole = ["connect_start shop.example:8443", "connect_end", "connected new", "first_byte", "last_byte"];
    let mut request = within_ms(100);
    request.extensions_mut().insert(journey.clone());
    read(calls(&PropagateLayer::new(), Some(SCRIPT), request).await).await;
    assert_eq!(heard.all(), whole);
    let mut around = Ambient::new(None, Some(journey.clone()));
    let mut calling = Box::pin(calls(&PropagateLayer::new(), Some(SCRIPT), Request::new(())));
    read(std::future::poll_fn(|cx| around.run(|| calling.as_mut().poll(cx))).await).await;
    assert_eq!(heard.all(), whole);
    let mut request = within_ms(100);
    request.extensions_mut().insert(journey);
    read(calls(&PropagateLayer::new().told_within(), Some(SCRIPT), request).await).await;
    assert!(heard.all().is_empty(), "whoever is called further in tells it");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_where_nobody_wants_to_know() {
    let journey = Journey::new(Arc::new(Policy::new()), true);
    assert!(Traced::default().begin(Some(&journey), None).is_none());
    let (listened, _) = listened();
    assert!(Traced::default().begin(Some(&listened), None).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_told_as_written_once_when_its_body_was_taken() {
    let several = ScriptedBody::new([Step::Data("a"), Step::Pause, Step::Data("b")]);
    for body in [several, ScriptedBody::full("")] {
        let (layer, heard) = traced();
        let upstream = service_fn(|request: Request<WrittenBody<ScriptedBody>>| async move {
            sleep(2 * MS).await;
            let body = request.into_body();
            if !http_body::Body::is_end_stream(&body) {
                body.collect().await.map_err(io::Error::other)?;
            }
            Ok::<_, io::Error>(Response::new(ScriptedBody::new([])))
        });
        let client = ServiceBuilder::new().layer(layer).layer(WrittenLayer::new()).service(upstream);
        let request = within_ms(100).map(|()| body);
        drop(client.oneshot(request).await.unwrap());
        assert_eq!(heard.all(), ["98 request_written", "98 first_byte"]);
    }
}

//! Request bodies that trickle, while somebody waits for the answer.

use super::*;
use crate::limits::Rate;
use deadline_testkit::ScriptedError;
use http::HeaderValue;
use http::header::CONNECTION;
use http_body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, timeout};
use tower::service_fn;

const MS: Duration = Duration::from_millis(1);
const RATE: Rate = Rate { bytes: 100, grace: Duration::from_secs(10) };

/// A body of whatever is sent into a channel.
struct Fed(UnboundedReceiver<&'static str>);

impl Body for Fed {
    type Data = Bytes;
    type Error = ScriptedError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ScriptedError>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

fn fed() -> (UnboundedSender<&'static str>, Request<Fed>) {
    let (feed, fed) = unbounded_channel();
    (feed, Request::post("http://shop.example/").body(Fed(fed)).unwrap())
}

type Outcome = Result<Response<Scripted>, PropagateError>;

fn full(text: &'static str) -> Response<Scripted> {
    Response::new(body([Step::Data(text)]).0)
}

/// Reads the whole body in another task, as hyper's client does, and then answers.
async fn read(request: Request<PassedBody<Fed>>) -> Outcome {
    let reading = tokio::spawn(request.into_body().collect());
    reading.await.unwrap().map_err(PropagateError::Inner)?;
    Ok(full("done"))
}

fn layer(rate: Option<Rate>) -> PassageLayer {
    let body_rate = BodyRate::new(rate, Answers::new().hop("edge"));
    PassageLayer::new(Steps { body_rate, ..steps(&Shutdown::new()) })
}

async fn told(answer: Response<PassageBody<Scripted>>) -> serde_json::Value {
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_a_408_at_the_end_of_the_grace() {
    let (feed, request) = fed();
    feed.send("hello").unwrap();
    let start = Instant::now();
    let answer = layer(Some(RATE)).layer(service_fn(read)).call(request).await.unwrap();
    // Five bytes were there at once, when nothing had been used up.
    assert_eq!(start.elapsed(), RATE.grace);
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.headers()[CONNECTION], "close");
    assert_eq!(told(answer).await["detail"], "the request body comes too slowly");
    assert!(feed.is_closed(), "the body is dropped");
}

#[tokio::test(start_paused = true)]
async fn what_comes_a_millisecond_before_the_end_is_in_time() {
    let (feed, request) = fed();
    let answer = tokio::spawn(layer(Some(RATE)).layer(service_fn(read)).call(request));
    yield_now().await;
    advance(RATE.grace - MS).await;
    feed.send("x").unwrap();
    drop(feed);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_trickle_under_the_floor_ends_and_one_at_the_floor_goes_on() {
    for (text, status) in [("x".repeat(100), 200), ("x".repeat(50), 408)] {
        let ((feed, request), text) = (fed(), text.leak());
        let answer = tokio::spawn(layer(Some(RATE)).layer(service_fn(read)).call(request));
        for _ in 0..60 {
            // Auto-advance: whatever is due within the second happens in it.
            tokio::time::sleep(SECOND).await;
            let _ = feed.send(text);
        }
        drop(feed);
        assert_eq!(answer.await.unwrap().unwrap().status(), status);
    }
}

/// An upstream that reads nothing for an hour is not the client's fault.
#[tokio::test(start_paused = true)]
async fn time_counts_only_while_somebody_waits_for_the_body() {
    let (feed, request) = fed();
    let slow = service_fn(|request: Request<PassedBody<Fed>>| async move {
        let mut body = request.into_body();
        for _ in 0..3 {
            body.frame().await.unwrap().map_err(PropagateError::Inner)?;
            tokio::time::sleep(3_600 * SECOND).await;
        }
        Outcome::Ok(full("done"))
    });
    for _ in 0..3 {
        feed.send("x").unwrap();
    }
    assert_eq!(layer(Some(RATE)).layer(slow).call(request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_before_the_body_has_ended_counts() {
    let (_feed, request) = fed();
    let early = service_fn(|request: Request<PassedBody<Fed>>| async move {
        let reading = tokio::spawn(request.into_body().collect());
        Outcome::Ok((full("early"), reading).0)
    });
    assert_eq!(layer(Some(RATE)).layer(early).call(request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn calls_whose_streams_may_be_silent_and_bodies_without_a_floor_are_let_be() {
    for (rate, media) in [
        (Some(RATE), "application/grpc"),
        (Some(RATE), "application/grpc-web+proto"),
        (Some(RATE), "application/connect+json"),
        (None, "text/plain"),
    ] {
        let (feed, mut request) = fed();
        request.headers_mut().insert("content-type", HeaderValue::from_static(media));
        let answer = tokio::spawn(layer(rate).layer(service_fn(read)).call(request));
        yield_now().await;
        advance(3_600 * SECOND).await;
        yield_now().await;
        assert!(!answer.is_finished(), "{media}");
        drop(feed);
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}

/// One message each way: whoever has something to say says it.
#[tokio::test(start_paused = true)]
async fn a_call_of_connect_that_is_no_stream_is_held_to_the_floor() {
    let (_feed, mut request) = fed();
    request.headers_mut().insert("connect-protocol-version", HeaderValue::from_static("1"));
    let answer = timeout(2 * RATE.grace, layer(Some(RATE)).layer(service_fn(read)).call(request)).await;
    let answer = answer.expect("the grace ends").unwrap();
    assert_eq!(answer.status(), 408);
    assert_eq!(told(answer).await["message"], "the request body comes too slowly");
}

#[tokio::test(start_paused = true)]
async fn http2_is_told_without_a_field_of_http1() {
    let (_feed, mut request) = fed();
    *request.version_mut() = Version::HTTP_2;
    let answer = layer(Some(RATE)).layer(service_fn(read)).call(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key(CONNECTION)), (408, false));
}

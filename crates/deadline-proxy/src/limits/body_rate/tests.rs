use super::*;
use bytes::Bytes;
use deadline_testkit::{ScriptedBody, ScriptedError, Step, assert_body_passes};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, timeout};
use tower::service_fn;
use tower_deadline::BoxError;

const MS: Duration = Duration::from_millis(1);
const RATE: Rate = Rate { bytes: 100, grace: Duration::from_secs(10) };

/// A body of whatever is sent into a channel.
struct Fed(UnboundedReceiver<&'static str>);

impl Body for Fed {
    type Data = Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, ScriptedError>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(http_body::Frame::data(Bytes::from(text)))))
    }
}

fn fed() -> (UnboundedSender<&'static str>, Request<Fed>) {
    let (feed, fed) = unbounded_channel();
    (feed, Request::post("/").body(Fed(fed)).unwrap())
}

/// Reads the whole body in another task, as hyper's client does, and then answers.
async fn read(request: Request<RateBody<Fed>>) -> Result<Response<ScriptedBody>, BoxError> {
    let reading = tokio::spawn(request.into_body().collect());
    reading.await??;
    Ok(Response::new(ScriptedBody::full("done")))
}

fn layer() -> BodyRateLayer {
    BodyRateLayer::new(Some(RATE), Answers::new().hop("edge"))
}

// R14
#[test]
fn a_body_that_is_there_passes_exactly() {
    assert_body_passes(|inner| RateBody::new(inner, None));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_a_408_at_the_end_of_the_grace() {
    let (feed, request) = fed();
    feed.send("hello").unwrap();
    let start = Instant::now();
    let answer = layer().layer(service_fn(read)).call(request).await.unwrap();
    // Five bytes were there at once, when nothing had been used up.
    assert_eq!(start.elapsed(), RATE.grace);
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.headers()[CONNECTION], "close");
    let document = answer.into_body().collect().await.unwrap().to_bytes();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["detail"], "the request body comes too slowly");
    assert!(feed.is_closed(), "the body is dropped");
}

#[tokio::test(start_paused = true)]
async fn what_comes_a_millisecond_before_the_end_is_in_time() {
    let (feed, request) = fed();
    let answer = tokio::spawn(layer().layer(service_fn(read)).call(request));
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
        let answer = tokio::spawn(layer().layer(service_fn(read)).call(request));
        for _ in 0..60 {
            // Auto-advance: whatever is due within the second happens in it.
            tokio::time::sleep(Duration::from_secs(1)).await;
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
    let slow = service_fn(|request: Request<RateBody<Fed>>| async move {
        let mut body = request.into_body();
        for _ in 0..3 {
            let _: Bytes = body.frame().await.unwrap()?.into_data().unwrap();
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        Ok::<_, BoxError>(Response::new(ScriptedBody::full("done")))
    });
    for _ in 0..3 {
        feed.send("x").unwrap();
    }
    assert_eq!(layer().layer(slow).call(request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_before_the_body_has_ended_counts() {
    let (_feed, request) = fed();
    let early = service_fn(|request: Request<RateBody<Fed>>| async move {
        let reading = tokio::spawn(request.into_body().collect());
        Ok::<_, BoxError>((Response::new(ScriptedBody::full("early")), reading).0)
    });
    assert_eq!(layer().layer(early).call(request).await.unwrap().status(), 200);
}

/// After the head the exchange breaks off: the body fails once, and is at its end.
#[tokio::test(start_paused = true)]
async fn the_body_says_that_it_was_too_slow_and_ends() {
    let (_feed, request) = fed();
    let mut body = RateBody::new(request.into_body(), Some((RATE, Arc::default())));
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!((start.elapsed(), error.downcast_ref()), (RATE.grace, Some(&TooSlow)));
    assert!(body.frame().await.is_none() && body.is_end_stream());
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
        let layer = BodyRateLayer::new(rate, Answers::new());
        let answer = tokio::spawn(layer.layer(service_fn(read)).call(request));
        yield_now().await;
        advance(Duration::from_secs(3_600)).await;
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
    let answer = timeout(2 * RATE.grace, layer().layer(service_fn(read)).call(request)).await;
    let answer = answer.expect("the grace ends").unwrap();
    assert_eq!(answer.status(), 408);
    let error = answer.into_body().collect().await.unwrap().to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&error).unwrap();
    assert_eq!(error["message"], "the request body comes too slowly");
}

#[tokio::test(start_paused = true)]
async fn http2_is_told_without_a_field_of_http1() {
    let (_feed, mut request) = fed();
    *request.version_mut() = Version::HTTP_2;
    let answer = layer().layer(service_fn(read)).call(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key(CONNECTION)), (408, false));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_is_the_bodys_own() {
    let mut body = RateBody::new(ScriptedBody::new([Step::Error]), Some((RATE, Arc::default())));
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.is::<ScriptedError>());
}

//! R36: what a body shows that has its status within, when the deadline passes after the head.

use super::*;
use crate::testing::{
    BUDGET, MS, call, data, error, is_at_end, journey, over_http2, poll, poll_frame, ready as now_ready, under, within,
};
use crate::{BodyError, Cause, EnforcedBody, Policy};
use bytes::Bytes;
use deadline_testkit::assert_body_passes;
use http_body::Body;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::time::advance;
use tower::service_fn;

const MESSAGE: &str = "\0\0\0\0\x05hello";
const HALF: &str = "\0\0\0\0\x05hel";
/// The message in base64, padded where it was flushed.
const TEXT: &str = "AAAAAAVoZWxsbw==";

const BLOCK: &str = "deadline-exceeded: origin=code, stage=response_body, cause=deadline\r\n\
    grpc-status: 4\r\n\
    grpc-message: deadline of 300 ms exceeded in stage response_body\r\n";

/// The body of a response that has these fields and plays these steps, once it is waited for.
fn waited_for(fields: &[(&'static str, &'static str)], steps: &[Step]) -> EnforcedBody<ScriptedBody> {
    let (fields, steps) = (fields.to_vec(), steps.to_vec());
    let handler = move |_: Incoming| {
        let mut response = Response::new(ScriptedBody::new(steps.clone()));
        for (name, value) in &fields {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        ready(Outcome::Ok(response))
    };
    let mut body = now_ready(poll(call(&enforced(&Probe::default(), handler), within(BUDGET)).as_mut())).into_body();
    for _ in 0..64 {
        if poll_frame(&mut body).is_pending() {
            return body;
        }
    }
    panic!("it is not waited for");
}

/// The same, of a content type alone.
fn of(media: &'static str, steps: &[Step]) -> EnforcedBody<ScriptedBody> {
    waited_for(&[("content-type", media)], steps)
}

fn is_broken_off<B>(body: &mut B) -> bool
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let broken = matches!(error(body), BodyError::Exceeded(_));
    broken && is_at_end(body)
}

/// Flags and message of an envelope.
fn opened(envelope: &[u8]) -> (u8, &[u8]) {
    let (prefix, message) = envelope.split_at(5);
    assert_eq!(prefix[1..], u32::try_from(message.len()).unwrap().to_be_bytes());
    (prefix[0], message)
}

#[tokio::test(start_paused = true)]
async fn grpc_web_ends_in_a_frame_of_trailers_and_no_error() {
    for version in [|request| request, over_http2] {
        let request = version(under(Policy::new(), true));
        let journey = journey(&request);
        let service = streaming("application/grpc-web+proto", [Step::Data(MESSAGE), Step::Stall]);
        let mut body = now_ready(poll(call(&service, request).as_mut())).into_body();
        assert_eq!(data(&mut body), MESSAGE);
        advance(BUDGET - MS).await;
        assert!(poll_frame(&mut body).is_pending());
        advance(MS).await;
        let last = data(&mut body);
        assert_eq!(opened(&last), (0x80, BLOCK.as_bytes()));
        assert!(body.is_end_stream() && is_at_end(&mut body) && is_at_end(&mut body));
        assert_eq!(journey.cause(), Some(Cause::Deadline));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_message_is_between_two() {
    let mut body = of("application/grpc-web", &[Step::Stall]);
    advance(BUDGET).await;
    assert_eq!(opened(&data(&mut body)), (0x80, BLOCK.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn within_a_message_it_is_broken_off() {
    for (media, half) in [
        ("application/grpc-web", HALF),
        ("application/grpc-web-text", &TEXT[..8]),
        ("application/grpc-web-text", &TEXT[..14]),
        ("application/connect+json", HALF),
    ] {
        let mut body = of(media, &[message(media), Step::Data(half), Step::Stall]);
        advance(BUDGET).await;
        assert!(is_broken_off(&mut body), "{media} {half:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn base64_ends_in_base64() {
    let mut body = of("application/grpc-web-text+proto", &[Step::Data(TEXT), Step::Stall]);
    advance(BUDGET).await;
    let last = data(&mut body);
    assert_eq!(last, crate::envelope::in_base64(&crate::envelope::sealed(0x80, BLOCK.as_bytes())));
    assert!(is_at_end(&mut body));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_connect_ends_in_its_last_envelope() {
    let mut body = of("application/connect+proto", &[Step::Data(MESSAGE), Step::Stall]);
    advance(BUDGET).await;
    let last = data(&mut body);
    let (flags, message) = opened(&last);
    let expected = json!({
        "error": {"code": "deadline_exceeded", "message": "deadline of 300 ms exceeded in stage response_body"},
        "metadata": {"deadline-exceeded": ["origin=code, stage=response_body, cause=deadline"]},
    });
    assert_eq!((flags, serde_json::from_slice::<Value>(message).unwrap()), (2, expected));
    assert!(is_at_end(&mut body));
}

/// Whoever waits for the end of the connection alone has been told how the call went.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_told_its_status_just_ends() {
    for (media, last) in [
        // `grpc-status:0`
        ("application/grpc-web-text", "gAAAAA9ncnBjLXN0YXR1czowDQo="),
        ("application/connect+json", "\x02\0\0\0\x02{}"),
    ] {
        let mut body = of(media, &[message(media), Step::Data(last), Step::Stall]);
        advance(BUDGET).await;
        assert!(is_at_end(&mut body) && body.is_end_stream(), "{media}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_no_room_for_it_the_stream_is_broken_off() {
    let media = ("content-type", "application/grpc-web");
    for field in [("content-length", "100"), ("content-encoding", "gzip")] {
        let mut body = waited_for(&[media, field], &[Step::Data(MESSAGE), Step::Stall]);
        advance(BUDGET).await;
        assert!(is_broken_off(&mut body), "{field:?}");
    }
    let mut body = waited_for(&[media, ("content-encoding", "identity")], &[Step::Data(MESSAGE), Step::Stall]);
    advance(BUDGET).await;
    assert_eq!(opened(&data(&mut body)).0, 0x80);
}

// R14
#[tokio::test(start_paused = true)]
async fn until_then_every_frame_passes() {
    for media in ["application/grpc-web", "application/grpc-web-text", "application/connect+proto"] {
        assert_body_passes(|inner| {
            let inner = Arc::new(Mutex::new(Some(inner)));
            let service = EnforceLayer::new().layer(service_fn(move |_: Incoming| {
                let mut response = Response::new(inner.lock().unwrap().take().unwrap());
                response.headers_mut().insert("content-type", media.parse().unwrap());
                ready(Outcome::Ok(response))
            }));
            now_ready(poll(call(&service, within(BUDGET)).as_mut())).into_body()
        });
    }
}

/// The message as this content type has it.
fn message(media: &str) -> Step {
    Step::Data(if media.contains("text") { TEXT } else { MESSAGE })
}

//! R13: what a stream shows when its deadline passes after the head.

use super::*;
use crate::BodyError;
use crate::testing::{
    BUDGET, call, data, error, is_at_end, journey, over_http2, poll, poll_frame, ready as now_ready, under, within,
};
use crate::{Cause, Policy};
use http::{HeaderMap, Version};
use http_body::Body;
use tokio::time::advance;

const STEPS: [Step; 2] = [Step::Data("half a message"), Step::Stall];

#[track_caller]
fn trailers<B: Body<Error: std::fmt::Debug> + Unpin>(body: &mut B) -> HeaderMap {
    match poll_frame(body) {
        std::task::Poll::Ready(Some(Ok(frame))) => frame.into_trailers().ok().expect("trailers"),
        std::task::Poll::Ready(Some(Err(error))) => panic!("{error:?}"),
        _ => panic!("no trailers"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_response_ends_in_a_status_and_no_error_where_there_are_trailers() {
    let (http2, http3) = (Version::HTTP_2, Version::HTTP_3);
    for (content_type, version) in
        [("application/grpc", http2), ("application/grpc+proto", http2), ("application/grpc", http3)]
    {
        let mut request = under(Policy::new(), true);
        *request.version_mut() = version;
        let journey = journey(&request);
        let mut body = now_ready(poll(call(&streaming(content_type, STEPS), request).as_mut())).into_body();
        assert_eq!(data(&mut body), "half a message");
        assert!(poll_frame(&mut body).is_pending());
        advance(BUDGET).await;
        let trailers = trailers(&mut body);
        assert_eq!(trailers["grpc-status"], "4");
        assert_eq!(trailers["grpc-message"], "deadline of 300 ms exceeded in stage response_body");
        assert_eq!(trailers["deadline-exceeded"], "origin=code, stage=response_body, cause=deadline");
        assert_eq!(trailers.len(), 3);
        assert!(is_at_end(&mut body) && is_at_end(&mut body) && body.is_end_stream());
        assert_eq!(journey.cause(), Some(Cause::Deadline));
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_response_ends_in_an_error() {
    let (http1, http2) = (|request| request, over_http2);
    let cases: [(&str, fn(_) -> _); 4] =
        [("application/grpc", http1), ("application/json", http2), ("application/grpc-web", http2), ("", http2)];
    for (content_type, version) in cases {
        let request = version(within(BUDGET));
        let mut body = now_ready(poll(call(&streaming(content_type, STEPS), request).as_mut())).into_body();
        assert_eq!(data(&mut body), "half a message");
        advance(BUDGET).await;
        assert!(matches!(error(&mut body), BodyError::Exceeded(_)), "{content_type}");
        assert!(is_at_end(&mut body));
    }
}

/// The kind of the response decides, not that of the request.
#[tokio::test(start_paused = true)]
async fn a_grpc_request_with_another_response_ends_in_an_error() {
    let mut request = over_http2(within(BUDGET));
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let mut body = now_ready(poll(call(&streaming("text/plain", STEPS), request).as_mut())).into_body();
    assert_eq!(data(&mut body), "half a message");
    advance(BUDGET).await;
    assert!(matches!(error(&mut body), BodyError::Exceeded(_)));
}

//! Each attempt has a span of its own.

use super::super::super::spans::Chain;
use super::*;
use crate::testing::poll;
use crate::trace::tests::{Seen, assert_tells, attribute, events};
use http_body_util::BodyExt;
use opentelemetry::trace::Status;
use tokio::time::advance;

fn parents(server: &Server) -> Vec<String> {
    let parent = |request: &Request| request.headers()["traceparent"].to_str().unwrap().to_owned();
    server.sent().iter().map(parent).collect()
}

// R22
#[tokio::test(start_paused = true)]
async fn a_redirect_and_what_it_leads_to_are_two_spans_each_with_a_parent_of_its_own() {
    let (seen, server) = (Seen::all(), Server::default().then(10, to("/paid")).then(20, ok()));
    let around = tracing::info_span!("of the app");
    let entered = around.clone().entered();
    let response = server.call(300).await.unwrap();
    drop((entered, around));
    let head: http::Response<Body> = response.into();
    assert_eq!(head.into_body().collect().await.unwrap().to_bytes(), "charged");
    // The registry keeps the one around until those within it have ended.
    let [first, second, app] = seen.ended().try_into().unwrap();
    for (span, status, left) in [(&first, "307", "300"), (&second, "200", "290")] {
        assert_eq!(span.parent_span_id, app.span_context.span_id());
        let told = [
            ("server.address", "shop.example"),
            ("http.response.status_code", status),
            ("deadline.remaining_ms", left),
        ];
        assert_tells(span, &told);
        assert_eq!((span.name.as_ref(), &span.status), ("GET", &Status::Unset));
    }
    let own = |span: &opentelemetry_sdk::trace::SpanData| {
        format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id())
    };
    assert_eq!(parents(&server), [own(&first), own(&second)]);
    assert_eq!(events(&second), ["first_byte", "stage upstream left", "last_byte"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_reaches_a_limit_or_is_let_go_of_says_so() {
    let seen = Seen::all();
    let mut calling = Server::default().call(300);
    assert!(poll(calling.as_mut()).is_pending());
    advance(300 * MS).await;
    assert!(poll(calling.as_mut()).is_ready());
    let mut left = Server::default().call(300);
    assert!(poll(left.as_mut()).is_pending());
    drop(left);
    let [late, left] = seen.ended().try_into().unwrap();
    assert_tells(&late, &[("deadline.stage", "upstream"), ("deadline.cause", "deadline"), ("error.type", "timeout")]);
    assert_eq!(attribute(&left, "deadline.cause").as_deref(), Some("cancelled"));
}

/// Fails with what it says of this address.
struct Broken(&'static str);

impl Transport for Broken {
    type Error = reqwest::Error;

    fn send(&mut self, _: Request) -> impl Future<Output = Result<Response, reqwest::Error>> + Send {
        let head = Head::builder().status(502).url(self.0.parse().unwrap()).body("").unwrap();
        std::future::ready(Err(Response::from(head).error_for_status().unwrap_err()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_told_without_the_address_whose_query_may_be_a_secret() {
    let seen = Seen::all();
    let plan = PropagateLayer::new().reqwest().plan(&Client::new());
    let mut request = get();
    let call = Call::new(&plan, &mut request, &within(300), Location::caller()).unwrap();
    let failed = call.make(Broken("http://shop.example/?key=s3cr3t"), request).await.unwrap_err();
    let Failed::Inner(error) = failed else { panic!("{failed:?}") };
    assert!(error.to_string().contains("s3cr3t"), "{error}");
    let [span] = seen.ended().try_into().unwrap();
    assert_eq!(span.status, Status::error("HTTP status server error (502 Bad Gateway)"));
    assert!(!format!("{span:?}").contains("s3cr3t"), "{span:?}");
    // Wrapped, and what it came from.
    let wrapped = PropagateError::Inner(std::io::Error::other(error).into());
    assert_eq!(Chain(&wrapped).to_string(), "outgoing call failed: HTTP status server error (502 Bad Gateway)");
}

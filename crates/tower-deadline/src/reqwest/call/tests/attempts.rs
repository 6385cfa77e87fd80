//! Each attempt is told what is left at its time (R22).

use super::*;
use crate::Stage;
use crate::reqwest::TooManyRedirects;
use deadline_testkit::Step;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION};
use tokio::time::Instant;

fn ms(values: &[Option<u32>]) -> Vec<Option<String>> {
    values.iter().map(|value| value.map(|value| format!("{value}ms"))).collect()
}

#[tokio::test(start_paused = true)]
async fn each_redirect_is_told_what_is_left_then() {
    let server = Server::default().then(100, to("/moved")).then(50, to("/again")).then(0, ok());
    let response = server.call(300).await.unwrap();
    assert_eq!((response.url().path(), response.status().as_u16()), ("/again", 200));
    assert_eq!(server.told(), ms(&[Some(300), Some(200), Some(150)]));
}

/// Each is one more for whoever is called (R22).
#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn each_redirect_is_counted_as_an_attempt_and_what_is_not_sent_is_not() {
    let counts = crate::count::recorder::Counts::default();
    let _recording = counts.record();
    let server = Server::default().then(100, to("/moved")).then(50, to("/again")).then(150, to("/late"));
    assert_eq!(exceeded(server.call(300).await).stage(), Stage::Unsent);
    let expected = [("deadline_attempts_total", 3), ("deadline_unsent_total", 1)];
    let expected = expected.map(|(name, times)| (format!("{name}{{policy=none}}"), times));
    assert_eq!([counts.of("deadline_attempts"), counts.all()].concat(), expected);
}

// R16
#[tokio::test(start_paused = true)]
async fn no_redirect_is_followed_with_nothing_left() {
    for (after, stage) in [(299, Stage::Upstream), (300, Stage::Unsent)] {
        let server = Server::default().then(after, to("/moved"));
        let stopped = exceeded(server.call(300).await);
        assert_eq!((stopped.stage(), stopped.elapsed()), (stage, 300 * MS), "{after}");
        assert_eq!(server.sent().len(), if after < 300 { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_left_is_not_sent_at_all() {
    let server = Server::default().then(0, ok());
    assert_eq!(exceeded(server.call(0).await).stage(), Stage::Unsent);
    assert_eq!(server.probe.called(), 0);
}

// R9
#[tokio::test(start_paused = true)]
async fn another_origin_is_told_nothing_and_is_left_at_the_deadline_all_the_same() {
    let server = Server::default()
        .then(0, to("http://other.example/"))
        .then(0, to(HOME))
        .then(0, to("//far.example/"));
    let mut request = get();
    for dialect in Dialect::ALL {
        request.headers_mut().insert(dialect.as_str(), "9000".parse().unwrap());
    }
    let clock = Instant::now();
    let stopped = exceeded(server.calls(PropagateLayer::new().reqwest(), request, &within(300)).await);
    assert_eq!((stopped.stage(), clock.elapsed()), (Stage::Upstream, 300 * MS));
    let sent = server.sent();
    assert_eq!(sent.iter().map(told).collect::<Vec<_>>(), ms(&[Some(300), None, Some(300), None]));
    for dialect in Dialect::ALL {
        assert!(!sent[1].headers().contains_key(dialect.as_str()), "{dialect}");
    }
}

#[tokio::test(start_paused = true)]
async fn default_headers_are_those_of_the_call_and_their_credentials_stay_at_home() {
    let server = Server::default().then(0, to("/moved")).then(0, to("http://other.example/")).then(0, ok());
    let field = |value: &'static str| http::HeaderValue::from_static(value);
    let defaults = HeaderMap::from_iter([(AUTHORIZATION, field("secret")), (ACCEPT, field("default"))]);
    let mut request = get();
    request.headers_mut().insert(ACCEPT, field("own"));
    let builder = PropagateLayer::new().reqwest().default_headers(defaults);
    server.calls(builder, request, &within(300)).await.unwrap();
    let sent = server.sent();
    let secret = sent.iter().map(|request| request.headers().contains_key(AUTHORIZATION));
    assert_eq!(secret.collect::<Vec<_>>(), [true, true, false]);
    assert!(sent.iter().all(|request| request.headers().get_all(ACCEPT).iter().eq(["own"])));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_again_and_a_stream_is_not() {
    let streamed = || Body::wrap(ScriptedBody::new([Step::Data("body")]));
    for (body, attempts, status) in [(Body::from("body"), 2, 200), (streamed(), 1, 307)] {
        let server = Server::default().then(0, to("/moved")).then(0, ok());
        let mut request = get();
        *request.method_mut() = Method::POST;
        *request.body_mut() = Some(body);
        let response = server.calls(PropagateLayer::new().reqwest(), request, &within(300)).await.unwrap();
        assert_eq!((server.sent().len(), response.status().as_u16()), (attempts, status));
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_ends_at_the_limit_and_says_so() {
    for (builder, attempts) in
        [(PropagateLayer::new().reqwest(), 11), (PropagateLayer::new().reqwest().redirect_limit(2), 3)]
    {
        let server = (0..20).fold(Server::default(), |server, _| server.then(0, to(HOME)));
        let outcome = server.calls(builder, get(), &within(300)).await;
        assert_eq!(server.sent().len(), attempts);
        let Err(Failed::Held(PropagateError::Inner(error))) = outcome else { panic!("{outcome:?}") };
        let error: &TooManyRedirects = error.downcast_ref().unwrap();
        assert_eq!((error.limit() + 1, error.url().as_str()), (attempts, HOME));
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_the_response_where_none_is_followed() {
    let server = Server::default().then(0, to("/moved"));
    let builder = PropagateLayer::new().reqwest().without_redirects();
    let response = server.calls(builder, get(), &within(300)).await.unwrap();
    assert_eq!((response.status().as_u16(), server.sent().len()), (307, 1));
}

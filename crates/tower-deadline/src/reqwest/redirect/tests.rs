//! A table of redirects, as reqwest and browsers follow them.

use super::*;
use reqwest::{Body, ResponseBuilderExt};

const FROM: &str = "http://shop.example/orders?page=2#top";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn answer(status: u16, location: &str) -> Response {
    let builder = http::Response::builder().status(status).url(url(FROM)).header(LOCATION, location);
    builder.body("").unwrap().into()
}

fn request(method: Method, body: impl Into<Body>) -> Request {
    let mut request = Request::new(method, url(FROM));
    *request.body_mut() = Some(body.into());
    for name in CREDENTIALS.iter().chain(&PAYLOAD).chain([&http::header::ACCEPT]) {
        request.headers_mut().insert(name, HeaderValue::from_static("value"));
    }
    request
}

fn follows(limit: usize) -> Redirects {
    Redirects { limit: Some(limit), referer: Referer::Told, credentials: Credentials::OfTheRequest }
}

#[track_caller]
fn next(redirects: &Redirects, response: &Response, request: &Request) -> Option<Request> {
    redirects.next(response, Spare::of(request), 0).unwrap()
}

fn body(request: &Request) -> Option<&[u8]> {
    request.body().and_then(Body::as_bytes)
}

#[test]
fn the_method_and_the_body_are_those_that_the_status_asks_for() {
    for (status, sent, method, replayed) in [
        (301, Method::POST, Method::GET, false),
        (302, Method::POST, Method::GET, false),
        (303, Method::POST, Method::GET, false),
        (303, Method::PUT, Method::GET, false),
        (303, Method::HEAD, Method::HEAD, false),
        (301, Method::PUT, Method::PUT, true),
        (302, Method::GET, Method::GET, true),
        (307, Method::POST, Method::POST, true),
        (308, Method::PUT, Method::PUT, true),
    ] {
        let case = format!("{status} {sent}");
        let next = next(&follows(10), &answer(status, "/paid"), &request(sent, "body")).expect(&case);
        assert_eq!((next.method(), next.url().as_str()), (&method, "http://shop.example/paid"), "{case}");
        assert_eq!(body(&next), replayed.then_some(&b"body"[..]), "{case}");
        let told = PAYLOAD.iter().all(|name| next.headers().contains_key(name));
        let untold = PAYLOAD.iter().all(|name| !next.headers().contains_key(name));
        assert!(if replayed { told } else { untold }, "{case}");
    }
}

/// What Fetch calls the names of request body headers, and what frames a body.
#[test]
fn nothing_tells_of_a_body_that_is_left_out() {
    let mut sent = request(Method::POST, "body");
    let names = ["content-encoding", "content-language", "content-location", "content-type", "content-length"];
    for name in names {
        sent.headers_mut().insert(name, HeaderValue::from_static("value"));
    }
    let next = next(&follows(10), &answer(303, "/paid"), &sent).unwrap();
    assert!(names.iter().all(|name| !next.headers().contains_key(*name)), "{:?}", next.headers());
}

#[test]
fn a_body_that_streams_is_not_sent_again_but_left_out_where_it_may_be() {
    let streamed = || request(Method::POST, Body::wrap(deadline_testkit::ScriptedBody::full("body")));
    for (status, follows_it) in [(301, true), (302, true), (303, true), (307, false), (308, false)] {
        let next = next(&follows(10), &answer(status, "/paid"), &streamed());
        assert_eq!(next.is_some(), follows_it, "{status}");
        assert!(next.is_none_or(|next| next.body().is_none()));
    }
}

#[test]
fn what_is_no_redirect_or_leads_nowhere_is_the_answer() {
    let sent = request(Method::GET, "");
    for status in [200, 300, 304, 305, 404] {
        assert!(next(&follows(10), &answer(status, "/paid"), &sent).is_none(), "{status}");
    }
    for location in ["http://", "http://[::1", "\u{e9}:"] {
        let mut response = answer(302, "/");
        *response.headers_mut() = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        assert!(target(response.status(), response.headers(), &url("data:,")).is_none(), "{location}");
    }
    let mut nowhere = answer(302, "/");
    nowhere.headers_mut().clear();
    assert!(next(&follows(10), &nowhere, &sent).is_none());
    assert!(next(&Redirects { limit: None, ..follows(0) }, &answer(302, "/paid"), &sent).is_none());
}

#[test]
fn credentials_stay_with_their_origin() {
    for (location, kept) in [
        ("/paid", true),
        ("http://shop.example:80/paid", true),
        ("http://shop.example:81/paid", false),
        ("https://shop.example/paid", false),
        ("http://other.example/paid", false),
        ("//other.example/paid", false),
        ("http://sub.shop.example/paid", false),
    ] {
        let next = next(&follows(10), &answer(302, location), &request(Method::GET, "")).expect(location);
        for name in &CREDENTIALS {
            assert_eq!(next.headers().contains_key(name), kept, "{location}: {name}");
        }
        assert!(next.headers().contains_key("accept"), "{location}");
    }
}

#[test]
fn a_host_that_the_request_sets_is_not_that_of_another_origin() {
    let mut sent = request(Method::GET, "");
    sent.headers_mut().insert(HOST, HeaderValue::from_static("shop.internal"));
    for (location, kept) in [("/paid", true), ("http://shop.example/paid", true), ("http://other.example/", false)] {
        let next = next(&follows(10), &answer(302, location), &sent).expect(location);
        assert_eq!(next.headers().contains_key(HOST), kept, "{location}");
    }
}

#[test]
fn where_the_client_adds_credentials_itself_no_other_origin_is_visited() {
    let careful = Redirects { credentials: Credentials::OfTheClientToo, ..follows(10) };
    let sent = request(Method::GET, "");
    assert!(next(&careful, &answer(302, "http://other.example/"), &sent).is_none());
    assert!(next(&careful, &answer(302, "/paid"), &sent).is_some());
}

#[test]
fn the_limit_is_how_many_are_followed() {
    for (limit, followed, more) in [(10, 9, true), (10, 10, false), (0, 0, false), (1, 0, true)] {
        let outcome = follows(limit).next(&answer(302, "/paid"), Spare::of(&request(Method::GET, "")), followed);
        assert_eq!(outcome.is_ok(), more, "{limit} {followed}");
        let Err(error) = outcome else { continue };
        assert_eq!((error.limit(), error.url().as_str()), (limit, FROM));
        assert_eq!(error.to_string(), format!("more than {limit} redirects"));
    }
}

#[test]
fn the_referer_tells_no_secret_and_nothing_of_https_to_http() {
    let said = |from, to| referer(&url(from), &url(to)).map(|value| value.to_str().unwrap().to_owned());
    let told = said("https://user:password@shop.example/a?b#c", "https://other.example/");
    assert_eq!(told.as_deref(), Some("https://shop.example/a?b"));
    assert_eq!(said("https://shop.example/", "http://shop.example/"), None);
    assert!(said("http://shop.example/", "https://shop.example/").is_some());
    let mut headers = HeaderMap::from_iter([(REFERER, HeaderValue::from_static("https://before.example/"))]);
    let (secret, open) = (url("https://shop.example/"), url("http://shop.example/"));
    Redirects { referer: Referer::Untold, ..follows(10) }.refer(&mut headers, &secret, &open);
    assert_eq!(headers[REFERER], "https://before.example/");
    follows(10).refer(&mut headers, &secret, &open);
    assert!(!headers.contains_key(REFERER), "one of https that came along");
}

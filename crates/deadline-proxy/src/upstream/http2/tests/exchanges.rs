//! Exchanges that come to their end.

use super::*;
use http_body_util::Full;
use std::time::Duration;
use tokio::sync::Notify;

/// Says what it has read, with trailers that were read or else its own.
async fn echo((request, mut respond): Asked) {
    let (body, said) = read(request.into_body()).await.unwrap();
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(body.into(), false).unwrap();
    stream.send_trailers(said.unwrap_or_else(trailers)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn bodies_and_trailers_pass_both_ways() {
    let (pool, _) = answering(echo);
    for has_trailers in [false, true] {
        let (feed, body) = Feed::new();
        let answer = ask(&pool, body);
        for data in ["a", "", "b"] {
            feed.data(data);
            settle().await;
        }
        let mut said = trailers();
        if has_trailers {
            said.insert("x-end", HeaderValue::from_static("1"));
            feed.0.send(Ok(Frame::trailers(said.clone()))).unwrap();
        }
        drop(feed);
        let answer = answer.await.unwrap().unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.trailers(), Some(&said));
        assert_eq!(answer.to_bytes(), "ab");
    }
}

/// A body that is whole ends its stream with its last frame, and its length is told where nobody has.
#[tokio::test(start_paused = true)]
async fn a_short_body_is_one_frame() {
    let (tell, mut told) = unbounded_channel();
    let (_, peer) = answering(move |(request, mut respond): Asked| {
        let tell = tell.clone();
        async move {
            let length = request.headers().get("content-length").cloned();
            let mut body = request.into_body();
            let (at_once, data) = (body.is_end_stream(), body.data().await.map(Result::unwrap));
            tell.send((length, at_once, data, body.is_end_stream())).unwrap();
            respond.send_response(Response::new(()), true).unwrap();
        }
    });
    let pool = Pool::new(Cluster::scripted(settings(), [peer]), 1);
    for (method, body, length, at_once) in
        [("POST", "hello", Some("5"), false), ("POST", "", Some("0"), true), ("GET", "", None, true)]
    {
        let request = Request::builder().method(method).uri("/").header("content-type", "application/grpc");
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        let answer = pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await.unwrap();
        assert!(answer.into_body().is_end_stream());
        let data = (!body.is_empty()).then(|| Bytes::from(body));
        assert_eq!(told.recv().await.unwrap(), (length.map(HeaderValue::from_static), at_once, data, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_while_its_answer_does() {
    let (pool, _) = answering(|(request, mut respond): Asked| async move {
        let (mut stream, mut body) = (respond.send_response(Response::new(()), false).unwrap(), request.into_body());
        while let Some(Ok(data)) = body.data().await {
            stream.send_data(data, false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let (feed, body) = Feed::new();
    let mut answer = ask(&pool, body).await.unwrap().unwrap().into_body();
    for data in ["a", "b", "c"] {
        feed.data(data);
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), data);
    }
    drop(feed);
    assert!(answer.collect().await.unwrap().to_bytes().is_empty());
}

/// Whether or not the peer says that it wants no more of it.
#[tokio::test(start_paused = true)]
async fn an_answer_may_be_whole_before_its_request() {
    let (tell, mut told) = unbounded_channel();
    let (pool, _) = answering(move |(request, mut respond): Asked| {
        let tell = tell.clone();
        async move {
            let wants_more = request.uri().path() == "/more";
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"early"), true).unwrap();
            if wants_more {
                tell.send(read(request.into_body()).await.unwrap().0).unwrap();
            } else {
                settle().await;
                stream.send_reset(h2::Reason::NO_ERROR);
            }
        }
    });
    for wants_more in [true, false] {
        let (feed, body) = Feed::new();
        let mut request = request(body);
        *request.uri_mut() = if wants_more { "/more" } else { "/" }.parse().unwrap();
        let answer = pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "early");
        settle().await;
        assert_eq!(feed.is_dropped(), !wants_more);
        if wants_more {
            feed.data("late");
            drop(feed);
            assert_eq!(told.recv().await.unwrap(), b"late");
        }
    }
}

/// The window of a stream is all that is taken of a body before somebody reads it.
#[tokio::test(start_paused = true)]
async fn a_body_waits_for_the_window() {
    const PIECE: usize = 16 * 1024;
    let go = Arc::new(Notify::new());
    let gone = Arc::clone(&go);
    let (pool, _) = answering(move |(request, mut respond): Asked| {
        let gone = Arc::clone(&gone);
        async move {
            gone.notified().await;
            let length = read(request.into_body()).await.unwrap().0.len();
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(length.to_string().into(), true).unwrap();
        }
    });
    let (feed, body) = Feed::new();
    let answer = ask(&pool, body);
    for _ in 0..100 {
        feed.0.send(Ok(Frame::data(vec![0; PIECE].into()))).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Four pieces fill it, and one waits.
    assert_eq!(feed.1.load(Ordering::Relaxed), 5);
    go.notify_one();
    drop(feed);
    let answer = answer.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), (100 * PIECE).to_string());
}

//! Exchanges that break off: by the peer, by the client, and by whoever gives up.

use super::*;
use h2::Reason;
use std::future::{pending, poll_fn};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How far an exchange comes before it breaks off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Asked,
    Answered,
    HalfRead,
}

const STAGES: [Stage; 3] = [Stage::Asked, Stage::Answered, Stage::HalfRead];

/// Answers so far, and says by which code it was reset.
fn resets(stage: Stage) -> (Pool<Fed>, UnboundedReceiver<Reason>) {
    let (tell, told) = unbounded_channel();
    let (pool, _) = answering(move |(request, mut respond): Asked| {
        let tell = tell.clone();
        async move {
            let _body = request;
            let reason = if stage == Stage::Asked {
                poll_fn(|cx| respond.poll_reset(cx)).await
            } else {
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                if stage == Stage::HalfRead {
                    stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                }
                poll_fn(|cx| stream.poll_reset(cx)).await
            };
            tell.send(reason.unwrap()).unwrap();
        }
    });
    (pool, told)
}

// R15
#[tokio::test(start_paused = true)]
async fn who_gives_up_resets_the_stream_and_leaves_nothing() {
    for stage in STAGES {
        for is_whole in [true, false] {
            let (pool, mut told) = resets(stage);
            let (feed, body) = Feed::new();
            feed.data("a");
            let feed = (!is_whole).then_some(feed);
            let answer = ask(&pool, body);
            settle().await;
            if stage == Stage::Asked {
                answer.abort();
            } else {
                let mut body = answer.await.unwrap().unwrap().into_body();
                if stage == Stage::HalfRead {
                    assert!(body.frame().await.unwrap().is_ok());
                }
                drop(body);
            }
            let told = timeout(Duration::from_secs(1), told.recv()).await;
            assert_eq!(told, Ok(Some(Reason::CANCEL)), "{stage:?} {is_whole}");
            settle().await;
            assert!(feed.is_none_or(|feed| feed.is_dropped()), "{stage:?}");
            assert_eq!(pool.state().connections(), (0, 1), "{stage:?}: the connection is idle");
        }
    }
}

// R34
#[tokio::test(start_paused = true)]
async fn what_the_peer_resets_is_not_whole() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        for stage in STAGES {
            let (pool, _) = answering(move |(_request, mut respond): Asked| async move {
                if stage == Stage::Asked {
                    return respond.send_reset(reason);
                }
                let mut stream = respond.send_response(Response::new(()), false).unwrap();
                if stage == Stage::HalfRead {
                    stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                }
                sleep(Duration::from_secs(1)).await;
                stream.send_reset(reason);
            });
            let (feed, body) = Feed::new();
            let answer = ask(&pool, body).await.unwrap();
            let is_broken = match answer {
                Ok(answer) => stage != Stage::Asked && answer.into_body().collect().await.is_err(),
                Err(error) => stage == Stage::Asked && matches!(error, SendError::Exchange { .. }),
            };
            assert!(is_broken, "{reason:?} {stage:?}");
            settle().await;
            assert!(feed.is_dropped(), "{reason:?} {stage:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_resets_its_stream_by_the_code_of_its_client() {
    let errors: [(fn() -> BoxError, Reason); 2] =
        [(|| "malformed".into(), Reason::INTERNAL_ERROR), (|| h2::Error::from(Reason::CANCEL).into(), Reason::CANCEL)];
    for (error, reason) in errors {
        for stage in STAGES {
            let (pool, mut told) = resets(stage);
            let (feed, body) = Feed::new();
            let answer = ask(&pool, body);
            settle().await;
            feed.0.send(Err(error())).unwrap();
            assert_eq!(told.recv().await, Some(reason), "{stage:?}");
            match answer.await.unwrap() {
                Ok(answer) => assert!(answer.into_body().collect().await.is_err(), "{stage:?}"),
                Err(error) => assert!(stage == Stage::Asked && matches!(error, SendError::Body(_)), "{error:?}"),
            }
        }
    }
}

/// What is under way comes to its end, and what follows goes by another connection.
#[tokio::test(start_paused = true)]
async fn who_says_goodbye_is_sent_nothing_more() {
    let (pool, peer) = pool(|mut connection| async move {
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        connection.graceful_shutdown();
        tokio::spawn(async move {
            sleep(Duration::from_secs(2)).await;
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"ok"), true).unwrap();
        });
        while connection.accept().await.is_some() {}
    });
    let first = ask(&pool, Feed::new().1);
    sleep(Duration::from_secs(1)).await;
    let second = ask(&pool, Feed::new().1);
    for answer in [first, second] {
        assert_eq!(answer.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    assert_eq!(peer.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_breaks_off_what_is_on_it_at_every_stage() {
    for stage in STAGES {
        let (pool, _) = pool(move |mut connection| async move {
            let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut stream = None;
            if stage != Stage::Asked {
                stream = Some(respond.send_response(Response::new(()), false).unwrap());
            }
            if let Some(stream) = stream.as_mut().filter(|_| stage == Stage::HalfRead) {
                stream.send_data(Bytes::from_static(b"half"), false).unwrap();
            }
            let _ = timeout(Duration::from_secs(1), connection.accept()).await;
        });
        let (feed, body) = Feed::new();
        match ask(&pool, body).await.unwrap() {
            Ok(answer) => assert!(answer.into_body().collect().await.is_err(), "{stage:?}"),
            Err(error) => assert!(stage == Stage::Asked && matches!(error, SendError::Exchange { .. }), "{error:?}"),
        }
        settle().await;
        assert!(feed.is_dropped());
        assert_eq!(pool.state().connections(), (0, 0), "{stage:?}");
    }
}

/// One that is stuck reads no ping.
#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let (pool, _) = pool(|mut connection| async move {
        let _asked = connection.accept().await;
        pending::<()>().await;
    });
    let (_feed, body) = Feed::new();
    let since = Instant::now();
    assert!(matches!(ask(&pool, body).await.unwrap(), Err(SendError::Exchange { .. })));
    let waited = since.elapsed().as_secs();
    assert!((330..=650).contains(&waited), "{waited}");
    assert_eq!(pool.state().connections(), (0, 0));
}

/// Nothing of it is written, and no endpoint is to blame.
#[tokio::test(start_paused = true)]
async fn a_head_that_http2_cannot_carry_is_the_fault_of_who_sent_it() {
    let (pool, _) = answering(|_| pending());
    for _ in 0..10 {
        let mut request = request(Feed::new().1);
        request.headers_mut().insert("connection", HeaderValue::from_static("close"));
        let refused = pool.send(request, |_| Ok::<_, Infallible>(Allotted::default())).await;
        assert!(matches!(refused, Err(SendError::Exchange { source, .. }) if source.is_user()));
    }
    assert!(pool.cluster().endpoints().iter().all(|endpoint| endpoint.is_well()));
    assert_eq!(pool.state().connections(), (0, 1));
}

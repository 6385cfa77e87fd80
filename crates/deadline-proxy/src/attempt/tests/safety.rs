use super::*;

/// Everything that an upstream can do, for each method and what follows: one attempt, or two.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_done_again_only_by_methods_that_may() {
    let once_sent = [
        Play::Status(404),
        Play::Status(503),
        Play::Broken { is_kept: false },
        Play::Broken { is_kept: true },
        Play::Hang,
    ];
    let unsent = [Play::Connect, Play::Stuck];
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "QUERY-LIKE"] {
        let is_safe = !["POST", "PATCH", "QUERY-LIKE"].contains(&method);
        let plays = once_sent.iter().map(|play| (play, is_safe)).chain(unsent.iter().map(|play| (play, true)));
        for (play, goes_on) in plays {
            let limit = |settings: &mut Settings| settings.chain[0].limit = Some(10 * MS);
            let upstreams = chain(&[(&["any"], std::slice::from_ref(play)), (&[], &[Play::Status(200)])], limit);
            let answer = upstreams.ask(request(method, "body")).await;
            assert_eq!(upstreams.asked().len(), 1 + usize::from(goes_on), "{method}, {play:?}");
            assert_eq!(answer.is_ok_and(|answer| answer.status() == 200), goes_on, "{method}, {play:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_is_retried_only_where_nothing_was_sent() {
    let retries = |settings: &mut Settings| settings.retries = 5;
    let plays = [Play::Connect, Play::Connect, Play::Status(503)];
    let upstreams = chain(&[(&[], &plays)], retries);
    assert_eq!(status(&upstreams.ask(request("POST", "body")).await), 503);
    assert_eq!(upstreams.asked().len(), 3);
    let done = upstreams.seen().iter().filter(|seen| seen.body == "body").count();
    assert_eq!(done, 1);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_off_does_not_hide_what_a_post_has_done() {
    let off = |settings: &mut Settings| settings.end = crate::attempt::End::Off;
    let upstreams = chain(&[(&["any"], &[Play::Status(404)])], off);
    assert_eq!(status(&upstreams.ask(request("POST", "")).await), 404);
    let upstreams = chain(&[(&["any"], &[Play::Connect])], off);
    let answer = upstreams.ask(request("POST", "")).await;
    assert!(answer.is_err());
}

/// A handshake is a GET, and its connection becomes the tunnel.
#[tokio::test(start_paused = true)]
async fn a_handshake_is_made_once() {
    let handshake = || {
        let mut request = get();
        request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
        request
    };
    let upstreams = chain(&[(&["any"], &[Play::Status(503)]), (&[], &[])], |settings| settings.retries = 3);
    assert_eq!(status(&upstreams.ask(handshake()).await), 503);
    let upstreams = chain(&[(&[], &[Play::Broken { is_kept: true }])], |_| {});
    assert!(upstreams.ask(handshake()).await.is_err());
    assert_eq!(upstreams.asked(), [0]);
    let upstreams = chain(&[(&["connect"], &[Play::Connect]), (&[], &[Play::Status(101)])], |_| {});
    assert_eq!(status(&upstreams.ask(handshake()).await), 101);
}

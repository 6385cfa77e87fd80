use super::*;

const KEPT: Play = Play::Broken { is_kept: true };

// RFC 9110 §9.2.2
#[tokio::test(start_paused = true)]
async fn what_broke_on_a_connection_that_was_kept_is_sent_again_once() {
    for (method, plays, expected) in [
        ("GET", vec![KEPT, Play::Status(200)], Ok(200)),
        ("PUT", vec![KEPT, Play::Status(200)], Ok(200)),
        ("GET", vec![KEPT, Play::Status(404)], Ok(404)),
        ("GET", vec![KEPT, KEPT], Err(())),
        ("GET", vec![KEPT, Play::Broken { is_kept: false }], Err(())),
        ("GET", vec![Play::Broken { is_kept: false }], Err(())),
        ("POST", vec![KEPT], Err(())),
    ] {
        let upstreams = chain(&[(&[], &plays)], |_| {});
        let answer = upstreams.ask(request(method, "body")).await;
        assert_eq!(answer.map(|answer| answer.status().as_u16()).map_err(drop), expected, "{method}, {plays:?}");
        assert_eq!(upstreams.instants(), vec![Duration::ZERO; plays.len()], "{method}, {plays:?}");
        assert!(upstreams.seen().iter().all(|seen| seen.marked && seen.body == "body"), "{method}, {plays:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_is_none_of_the_retries_but_of_the_budget() {
    let plays = [KEPT, Play::Status(503), Play::Status(200)];
    let upstreams = chain(&[(&[], &plays)], |settings| settings.retries = 1);
    assert_eq!(status(&upstreams.ask(get()).await), 200);
    let mut settings = Settings::once(0);
    settings.retries = 1;
    let upstreams = Upstreams::new(&settings, vec![vec![KEPT]], Budget { ratio: 0.0, min_per_second: 0 });
    assert!(upstreams.ask(get()).await.is_err());
}

// R22
#[tokio::test(start_paused = true)]
async fn it_is_sent_again_with_what_the_request_has_left_and_no_longer() {
    let plays = [Play::BrokenAfter(40 * MS), Play::Status(200)];
    let upstreams = chain(&[(&[], &plays)], |settings| settings.chain[0].limit = Some(100 * MS));
    assert_eq!(status(&upstreams.ask(within(get(), 120 * MS, 10 * MS)).await), 200);
    let told: Vec<_> = upstreams.seen().iter().map(|seen| seen.headers["x-request-timeout"].clone()).collect();
    assert_eq!(told, ["100ms", "70ms"]);
    let upstreams = chain(&[(&[], &[Play::BrokenAfter(40 * MS)])], |_| {});
    assert!(upstreams.ask(within(get(), 45 * MS, 10 * MS)).await.is_err());
}

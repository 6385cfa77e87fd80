use super::*;
use crate::attempt::next::backoff;
use tower_deadline::Stage;

const RETRIES: u32 = 9;

#[test]
fn a_backoff_doubles_six_times_and_half_of_it_is_chance() {
    for (before, whole) in [(0, 20), (1, 40), (2, 80), (5, 640), (6, 1280), (7, 1280), (u32::MAX, 1280)] {
        assert_eq!(backoff(20 * MS, before, 0.0), whole * MS / 2, "{before}");
        assert_eq!(backoff(20 * MS, before, 1.0), whole * MS, "{before}");
    }
    assert!(backoff(Duration::MAX, 6, 1.0) > Duration::MAX / 2);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_longer_each_time() {
    let plays =
        [Play::Connect, Play::Broken { is_kept: false }, Play::Status(502), Play::Status(504), Play::Status(200)];
    let upstreams = chain(&[(&[], &plays)], |settings| {
        settings.retries = RETRIES;
        settings.backoff = 20 * MS;
    });
    assert_eq!(status(&upstreams.ask(get()).await), 200);
    let instants = upstreams.instants();
    for (at, pair) in instants.windows(2).enumerate() {
        let (waited, most) = (pair[1] - pair[0], (20 << at) * MS);
        assert!(waited >= most / 2 && waited <= most + MS, "{at}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_attempt_does_not_change_is_not_retried() {
    for play in [Play::Status(500), Play::Status(404), Play::Status(429), Play::Status(501), Play::Late] {
        let upstreams = chain(&[(&[], std::slice::from_ref(&play))], |settings| settings.retries = RETRIES);
        let answer = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
        assert!(answer.is_ok(), "{play:?}");
        assert_eq!(upstreams.asked(), [0], "{play:?}");
    }
}

// R22
#[tokio::test(start_paused = true)]
async fn no_attempt_starts_whose_wait_does_not_fit() {
    // The upstream says how long, so nothing of it is chance.
    // Nobody is told of less than a millisecond.
    let cases = [(999.0, 0, 1), (1000.0, 0, 1), (1000.9, 0, 1), (1001.0, 0, 2), (1050.9, 50, 1), (1051.0, 50, 2)];
    for (left, reserve, attempts) in cases {
        let plays = [Play::Says(503, "retry-after", "1"), Play::Status(200)];
        let upstreams = chain(&[(&[], &plays)], |settings| settings.retries = RETRIES);
        let answer = upstreams.ask(within(get(), MS.mul_f64(left), reserve * MS)).await;
        assert_eq!(upstreams.asked().len(), attempts, "{left} less {reserve}");
        assert_eq!(status(&answer), if attempts == 1 { 503 } else { 200 }, "{left} less {reserve}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_to_be_left_alone_is_or_is_not_retried() {
    for (status, after, waited) in [
        (503, "2", Some(2)),
        (429, "1", Some(1)),
        (503, "30", Some(30)),
        (503, "31", None),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT", None),
        (503, "-1", None),
        (429, "99999999999999999999", None),
    ] {
        let plays = [Play::Says(status, "retry-after", after), Play::Status(200)];
        let upstreams = chain(&[(&[], &plays)], |settings| settings.retries = RETRIES);
        let answer = upstreams.ask(get()).await.unwrap().status().as_u16();
        assert_eq!(answer, if waited.is_some() { 200 } else { status }, "{status}, {after}");
        let instants = upstreams.instants();
        assert_eq!(instants.get(1).copied(), waited.map(Duration::from_secs), "{status}, {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_stage_backoff() {
    let upstreams = chain(&[(&[], &[Play::Connect, Play::Status(200)])], |settings| {
        settings.retries = 1;
        settings.backoff = 100 * MS;
    });
    let request = within(get(), 1000 * MS, Duration::ZERO);
    let journey: Journey = request.extensions().get().cloned().unwrap();
    let asked = upstreams.ask(request);
    tokio::pin!(asked);
    tokio::select! {
        biased;
        _ = &mut asked => panic!("it waits"),
        () = tokio::time::sleep(10 * MS) => {}
    }
    assert_eq!(journey.stage(), Stage::Backoff);
    assert_eq!(status(&asked.await), 200);
    assert_ne!(journey.stage(), Stage::Backoff);
}

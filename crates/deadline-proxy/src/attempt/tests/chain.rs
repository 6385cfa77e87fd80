use super::*;
use crate::attempt::{End, Outcome, Story};

// R38
#[tokio::test(start_paused = true)]
async fn what_a_chain_names_goes_to_the_next_at_once() {
    let upstreams = chain(
        &[(&["404"], &[Play::Status(404)]), (&["connect"], &[Play::Connect]), (&[], &[Play::Status(200)])],
        |_| {},
    );
    let answer = upstreams.ask(get()).await;
    assert_eq!((status(&answer), upstreams.asked()), (200, vec![0, 1, 2]));
    assert_eq!(upstreams.instants(), [Duration::ZERO; 3]);
    let told = &answer.as_ref().unwrap().headers()["proxy-status"];
    assert_eq!(told, r#"edge; next-hop="golang"; details="corp 404, mirror connect""#);
    let story: &Story = answer.as_ref().unwrap().extensions().get().unwrap();
    let passed = vec![("corp".into(), Outcome::Status(StatusCode::NOT_FOUND)), ("mirror".into(), Outcome::Connect)];
    assert_eq!(*story, Story { attempts: 3, upstream: Some("golang".into()), passed });
}

#[tokio::test(start_paused = true)]
async fn what_a_chain_does_not_name_is_the_answer() {
    for (on, play, asked) in [
        ("404", Play::Status(410), 1),
        ("404", Play::Status(404), 2),
        ("4xx", Play::Status(499), 2),
        ("4xx", Play::Status(500), 1),
        ("5xx", Play::Status(500), 2),
        ("any", Play::Status(400), 2),
        ("any", Play::Status(399), 1),
        ("any", Play::Connect, 2),
        ("connect", Play::Connect, 2),
        ("connect", Play::Broken { is_kept: false }, 1),
        ("broken", Play::Broken { is_kept: false }, 2),
        ("broken", Play::Broken { is_kept: true }, 2),
        ("timeout", Play::Status(504), 1),
        ("timeout", Play::Hang, 2),
        ("timeout", Play::Stuck, 2),
        ("connect", Play::Stuck, 1),
        ("any", Play::Hang, 2),
        // What was told was the limit of the attempt.
        ("timeout", Play::Late, 2),
    ] {
        let limit = |settings: &mut Settings| settings.chain[0].limit = Some(10 * MS);
        let upstreams = chain(&[(&[on], std::slice::from_ref(&play)), (&[], &[Play::Status(200)])], limit);
        let _ = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
        assert_eq!(upstreams.asked().len(), asked, "{on}, {play:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_off_at_its_end_says_who_was_asked() {
    let off = |settings: &mut Settings| settings.end = End::Off;
    let upstreams = chain(&[(&["404"], &[Play::Status(404)]), (&["any"], &[Play::Connect])], off);
    let told = unanswered(&upstreams.ask(get()).await);
    assert_eq!(told, "every upstream of the chain passed it on: corp 404, mirror connect");
    let upstreams = chain(&[(&["404"], &[Play::Status(404)]), (&["404"], &[Play::Status(503)])], off);
    assert_eq!(status(&upstreams.ask(get()).await), 503, "it names 404 alone");
    let upstreams = chain(&[(&["404"], &[Play::Status(404)]), (&["404"], &[Play::Status(404)])], off);
    let told = unanswered(&upstreams.ask(get()).await);
    assert_eq!(told, "every upstream of the chain passed it on: corp 404, mirror 404");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_last_and_fails_is_named_with_the_others() {
    let upstreams = chain(&[(&["404"], &[Play::Status(404)]), (&[], &[Play::Connect])], |_| {});
    let answer = upstreams.ask(get()).await;
    assert_eq!(unanswered(&answer), "no upstream has answered: corp 404, mirror connect");
    let error = answer.unwrap_err();
    let told = crate::attempt::told(&error);
    assert!(told.ends_with("nowhere: there is no endpoint"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn one_attempt_at_one_upstream_is_not_told_of() {
    let upstreams = chain(&[(&[], &[Play::Status(200), Play::Connect])], |_| {});
    let answer = upstreams.ask(get()).await.unwrap();
    assert!(!answer.headers().contains_key("proxy-status"));
    assert!(answer.extensions().get::<Story>().is_none());
    let failed = upstreams.ask(get()).await;
    let Err(PropagateError::Inner(error)) = failed else { panic!("{failed:?}") };
    assert!(error.is::<SendError<PropagateError>>(), "as it came: {error}");
}

#[tokio::test(start_paused = true)]
async fn what_an_upstream_says_of_its_own_hops_stays_in_front() {
    let says = Play::Says(200, "proxy-status", "inner; next-hop=\"a\"");
    let upstreams = chain(&[(&["404"], &[says]), (&[], &[])], |_| {});
    let answer = upstreams.ask(get()).await.unwrap();
    let told: Vec<_> = answer.headers().get_all("proxy-status").iter().collect();
    assert_eq!(told, ["inner; next-hop=\"a\"", "edge; next-hop=\"corp\""]);
}

#[tokio::test(start_paused = true)]
async fn fail_over_comes_before_retry() {
    let plays = [Play::Status(503), Play::Status(200)];
    let retries = |settings: &mut Settings| settings.retries = 1;
    let upstreams = chain(&[(&["503"], &[Play::Status(503)]), (&[], &plays)], retries);
    assert_eq!(status(&upstreams.ask(get()).await), 200);
    assert_eq!(upstreams.asked(), [0, 1, 1]);
    // What the first does not name is retried there.
    let upstreams = chain(&[(&["404"], &[Play::Status(503), Play::Status(404)]), (&[], &[Play::Status(200)])], retries);
    assert_eq!(status(&upstreams.ask(get()).await), 200);
    assert_eq!(upstreams.asked(), [0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_extensions_and_a_fresh_field() {
    let upstreams = chain(&[(&["any"], &[Play::Hang]), (&[], &[Play::Status(200)])], |settings| {
        settings.chain[0].limit = Some(100 * MS);
    });
    let answer = upstreams.ask(within(request("PUT", "body"), 1000 * MS, Duration::ZERO)).await;
    assert_eq!(status(&answer), 200);
    let seen = upstreams.seen();
    assert!(seen.iter().all(|seen| seen.marked && seen.body == "body"), "{seen:?}");
    // R22
    let told: Vec<_> = seen.iter().map(|seen| seen.headers["x-request-timeout"].to_str().unwrap()).collect();
    assert_eq!(told, ["100ms", "900ms"]);
}

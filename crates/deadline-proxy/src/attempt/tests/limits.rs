use super::*;
use tower_deadline::OriginKind;

fn limited(settings: &mut Settings) {
    for link in &mut settings.chain {
        link.limit = Some(100 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_an_attempt_ends_it_and_not_the_request() {
    let upstreams = chain(&[(&["timeout"], &[Play::Hang]), (&[], &[Play::Status(200)])], limited);
    let answer = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
    assert_eq!((status(&answer), upstreams.instants()), (200, vec![Duration::ZERO, 100 * MS]));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_can_better_is_told_as_one() {
    let upstreams = chain(&[(&["timeout"], &[Play::Hang]), (&[], &[Play::Hang])], limited);
    let answer = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
    assert_eq!(unanswered(&answer), "no upstream has answered: corp timeout, mirror timeout");
    let error = answer.unwrap_err();
    let exceeded = Exceeded::find(&error).unwrap();
    assert_eq!((exceeded.origin().to_string(), exceeded.budget()), ("policy try_timeout of mirror".into(), 100 * MS));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_request_goes_upward_as_it_is() {
    // The second attempt has less left than its limit is.
    let upstreams = chain(&[(&["timeout"], &[Play::Hang]), (&["any"], &[Play::Hang]), (&[], &[])], limited);
    let answer = upstreams.ask(within(get(), 150 * MS, Duration::ZERO)).await;
    let Err(PropagateError::Exceeded(exceeded)) = answer else { panic!("{answer:?}") };
    assert_eq!((exceeded.origin().kind(), exceeded.budget()), (OriginKind::Policy, 150 * MS));
    assert_eq!(upstreams.asked(), [0, 1]);
}

// R23
#[tokio::test(start_paused = true)]
async fn a_hop_that_tells_of_our_deadline_is_not_passed_by() {
    let upstreams = chain(&[(&["any"], &[Play::Late]), (&[], &[])], |settings| settings.retries = 3);
    let answer = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await;
    assert_eq!((status(&answer), upstreams.asked()), (504, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn no_other_is_asked_once_nothing_is_left() {
    let upstreams = chain(&[(&["any"], &[Play::Status(503)]), (&[], &[])], |_| {});
    let request = within(get(), 50 * MS, 50 * MS);
    let answer = upstreams.ask(request).await;
    assert!(matches!(answer, Err(PropagateError::Exceeded(_))), "R16: {answer:?}");
    assert!(upstreams.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_observed_deadline_withholds_nothing() {
    let plays = [Play::Says(503, "retry-after", "2"), Play::Status(200)];
    let upstreams = chain(&[(&[], &plays)], |settings| settings.retries = 1);
    let mut request = within(get(), 1000 * MS, Duration::ZERO);
    let policy = Policy::new().mode(tower_deadline::Mode::Observe);
    request.extensions_mut().insert(Journey::new(Arc::new(policy), true));
    assert_eq!(status(&upstreams.ask(request).await), 200);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_asked_of_nobody_any_more() {
    let upstreams = chain(&[(&["timeout"], &[Play::Hang]), (&[], &[])], limited);
    {
        let asked = upstreams.ask(get());
        tokio::pin!(asked);
        let pending = tokio::time::timeout(50 * MS, &mut asked).await;
        assert!(pending.is_err());
    }
    tokio::time::sleep(1000 * MS).await;
    assert_eq!(upstreams.asked().len(), 1);
}

// R22
#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_when_the_limit_is_all_but_over_is_too_late_for_one_attempt_alone() {
    for method in ["GET", "POST"] {
        for (wait, asked) in [(90 * MS, vec![0]), (100 * MS - MS / 2, vec![1]), (100 * MS, vec![1])] {
            let plays = [Play::Waits(wait)];
            let upstreams = chain(&[(&["timeout"], &plays), (&[], &[Play::Status(200)])], limited);
            let answer = upstreams.ask(within(request(method, "body"), 1000 * MS, Duration::ZERO)).await;
            assert_eq!((status(&answer), upstreams.asked()), (200, asked), "{method}, {wait:?}");
        }
    }
}

// R21
#[tokio::test(start_paused = true)]
async fn a_reserve_is_taken_off_what_is_left_and_not_off_a_limit() {
    for (reserve, left, told) in [(0, 1000, "100ms"), (150, 1000, "100ms"), (150, 251, "100ms"), (150, 200, "50ms")] {
        let upstreams = chain(&[(&["timeout"], &[Play::Status(200)]), (&[], &[])], limited);
        let answer = upstreams.ask(within(get(), left * MS, reserve * MS)).await;
        assert!(answer.is_ok(), "{reserve} of {left}: {answer:?}");
        assert_eq!(upstreams.seen()[0].headers["x-request-timeout"], told, "{reserve} of {left}");
    }
}

// R23
#[tokio::test(start_paused = true)]
async fn a_hop_that_tells_of_the_limit_has_not_seen_the_deadline_of_the_request() {
    let upstreams = chain(&[(&["connect"], &[Play::Late]), (&[], &[])], limited);
    let answer = upstreams.ask(within(get(), 1000 * MS, Duration::ZERO)).await.unwrap();
    let exceeded: &Exceeded = answer.extensions().get().unwrap();
    assert_eq!((exceeded.origin().to_string(), exceeded.budget()), ("policy try_timeout of corp".into(), 100 * MS));
    assert!(exceeded.trail().is_some(), "and who has stopped it");
}

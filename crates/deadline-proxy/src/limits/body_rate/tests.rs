use super::*;
use deadline_testkit::{ScriptedBody, ScriptedError, Step, assert_body_passes};
use http_body_util::BodyExt;
use tokio::time::Instant;

const RATE: Rate = Rate { bytes: 100, grace: std::time::Duration::from_secs(10) };

// R14
#[test]
fn a_body_that_is_there_passes_exactly() {
    assert_body_passes(|inner| RateBody::new(inner, None));
}

/// After the head the exchange breaks off: the body fails once, and is at its end.
#[tokio::test(start_paused = true)]
async fn the_body_says_that_it_was_too_slow_and_ends() {
    let mut body = RateBody::new(ScriptedBody::new([Step::Stall]), Some((RATE, Arc::default())));
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!((start.elapsed(), error.downcast_ref()), (RATE.grace, Some(&TooSlow)));
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_is_the_bodys_own() {
    let mut body = RateBody::new(ScriptedBody::new([Step::Error]), Some((RATE, Arc::default())));
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.is::<ScriptedError>());
}

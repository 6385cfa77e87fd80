//! What becomes of an answer that is not the client's.
//!
//! A connection of HTTP/1.1 is of no use before all of an answer was read, and a chain that passes on each 404 would
//! close one for each. So what is small is read to its end, beside the next attempt and for a short while; anything
//! else is dropped, which closes its connection, or resets its stream.

use std::pin::pin;
use std::time::Duration;

use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// The most bytes of an answer that are read for nothing: the page of an error, as a rule.
const SMALL: u64 = 8 * 1024;

/// How long that may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Gives the connection of an answer back, if that costs little. Has to be called within a runtime.
pub(super) fn discard<B>(response: Response<B>)
where
    B: Body<Data: Send, Error: Send> + Send + 'static,
{
    let body = response.into_body();
    let is_small = body.size_hint().exact().is_some_and(|size| size <= SMALL);
    if is_small && !body.is_end_stream() {
        drop(tokio::spawn(timeout(LIMIT, read(body))));
    }
}

async fn read<B: Body>(body: B) {
    let mut body = pin!(body);
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use deadline_testkit::{BodyProbe, ScriptedBody, Step};
    use tokio::time::{advance, sleep};

    async fn discarded(body: ScriptedBody, wait: Duration) -> BodyProbe {
        let probe = body.probe();
        discard(Response::new(body));
        sleep(wait).await;
        probe
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_small_is_read_to_its_end() {
        let body = ScriptedBody::new([Step::Data("not"), Step::Pause, Step::Data("found")]).telling_size();
        let probe = discarded(body, Duration::from_millis(1)).await;
        assert_eq!((probe.polls(), probe.is_dropped()), (4, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_large_is_dropped_at_once() {
        let large: &'static str = "x".repeat(8 * 1024 + 1).leak();
        for body in [ScriptedBody::new([Step::Data("no length")]), ScriptedBody::full(large)] {
            let probe = body.probe();
            discard(Response::new(body));
            assert_eq!((probe.polls(), probe.is_dropped()), (0, true));
        }
        assert_eq!(discarded(ScriptedBody::full(&large[1..]), LIMIT / 2).await.polls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_is_dropped_after_a_while() {
        let probe = discarded(ScriptedBody::new([Step::Data("a"), Step::Stall]).telling_size(), LIMIT / 2).await;
        assert!(!probe.is_dropped());
        advance(LIMIT).await;
        sleep(Duration::from_millis(1)).await;
        assert!(probe.is_dropped());
    }
}

use std::collections::VecDeque;
use std::fmt;
use std::future::ready;
use std::sync::Mutex;

use super::*;

/// A server that says only this of what it is told.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

impl DriverError for Refused {
    fn verdict(&self) -> Verdict {
        Verdict::of_sqlstate(self.0)
    }

    fn sqlstate(&self) -> Option<&str> {
        Some(self.0)
    }
}

/// A connection that answers in this order, and with `Ok` from then on.
#[derive(Default)]
struct Scripted {
    backend: Backend,
    answers: Mutex<VecDeque<Result<(), Refused>>>,
    sent: Mutex<Vec<String>>,
}

impl Scripted {
    fn saying(answers: impl IntoIterator<Item = Result<(), Refused>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

impl Link for Scripted {
    type Error = Refused;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn backend_mut(&mut self) -> &mut Backend {
        &mut self.backend
    }

    async fn run(&self, statements: &str) -> Result<(), Refused> {
        self.sent.lock().unwrap().push(statements.to_owned());
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(()))
    }

    async fn answered(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn close(self) {}
}

const STOPPED: Result<(), Refused> = Err(Refused("57014"));

fn before() -> Arming {
    Arming::Before("SET".to_owned())
}

#[tokio::test]
async fn what_was_done_counts_whatever_became_of_the_time() {
    let link = Scripted::saying([STOPPED]);
    let flown = armed(&link, before(), ready(Ok(7))).await;
    assert_eq!((flown.told, flown.answer), (false, Ok(7)), "and the session is not taken for told");
    for (arming, told) in [(before(), true), (Arming::Nothing, false), (Arming::Around("BEGIN".to_owned()), false)] {
        let flown = armed(&Scripted::default(), arming, ready(Ok(7))).await;
        assert_eq!((flown.told, flown.answer), (told, Ok(7)));
    }
}

#[tokio::test]
async fn a_session_is_told_also_where_the_statement_fails() {
    let failed: Result<u64, _> = Err(Refused("23505"));
    let flown = armed(&Scripted::default(), before(), ready(failed)).await;
    assert_eq!((flown.told, flown.answer), (true, failed));
}

#[tokio::test]
async fn in_a_transaction_that_did_not_begin_nothing_counts() {
    let begun = Scripted::saying([Err(Refused("53300"))]);
    let flown = armed(&begun, Arming::Around("BEGIN".to_owned()), ready(Ok(7))).await;
    assert_eq!(flown.answer, Err(Refused("53300")));
}

#[tokio::test]
async fn a_limit_that_stops_what_lifts_it_is_lifted_all_the_same() {
    let link = Scripted::saying([STOPPED, STOPPED]);
    let flown = armed(&link, Arming::Lifted("LIFT", "SET".to_owned()), ready(Ok(7))).await;
    assert_eq!((flown.told, flown.answer), (true, Ok(7)));
    assert_eq!(link.sent(), ["LIFT", "LIFT", "LIFT", "SET"]);
}

#[tokio::test]
async fn an_end_is_sent_again_where_it_was_stopped_and_only_there() {
    let often = Scripted::saying(vec![STOPPED; TRIES]);
    assert_eq!(persistently(&often, "ROLLBACK").await, STOPPED);
    assert_eq!(often.sent().len(), TRIES);
    let gone = Scripted::saying([Err(Refused("57P01"))]);
    assert_eq!(persistently(&gone, "ROLLBACK").await, Err(Refused("57P01")));
    assert_eq!(gone.sent().len(), 1);
}

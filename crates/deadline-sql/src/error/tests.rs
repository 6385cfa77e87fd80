#![expect(clippy::disallowed_methods, reason = "a test needs one real instant to start from")]

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use http_deadline::{Cause, Deadline, Stage};

use super::*;

/// An error of a driver with nothing but its code.
/// Without one, it is the driver that says it.
#[derive(Debug)]
struct Coded(&'static str);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Coded {}

impl DriverError for Coded {
    fn verdict(&self) -> Verdict {
        Verdict::of_sqlstate(self.0)
    }

    fn sqlstate(&self) -> Option<&str> {
        Some(self.0).filter(|code| !code.is_empty())
    }
}

fn interrupted(outcome: Outcome) -> Error<Coded> {
    let now = Instant::now();
    let deadline = Deadline::after(now, Duration::from_millis(300));
    let exceeded = Exceeded::new(deadline, Stage::Database, Cause::Deadline, now + Duration::from_millis(301));
    Interrupted { exceeded, stopped: Stopped::Pending, outcome, backend: Some(4711) }.into()
}

#[test]
fn what_the_deadline_stopped_is_found_however_deep_and_tells_no_process() {
    let error = interrupted(Outcome::Unknown);
    assert!(!error.to_string().contains("4711"), "{error}");
    assert_eq!(Exceeded::find(&error).map(Exceeded::stage), Some(Stage::Database));
    let wrapped: Box<dyn StdError> = Box::new(io::Error::other(error));
    assert!(Exceeded::find(&*wrapped).is_some());
    assert!(Exceeded::find(&Error::Database(Coded("57014"))).is_none(), "somebody else's cancel is no deadline");
}

#[test]
fn an_outcome_is_unknown_only_where_nobody_saw_the_answer() {
    for (error, outcome) in [
        (interrupted(Outcome::Unknown), Outcome::Unknown),
        (interrupted(Outcome::NotStarted), Outcome::NotStarted),
        (Error::Unavailable(Coded("53300")), Outcome::NotStarted),
        (Error::PoolClosed, Outcome::NotStarted),
        (Error::RolledBack, Outcome::RolledBack),
        (Error::Database(Coded("23505")), Outcome::RolledBack),
        (Error::Database(Coded("08006")), Outcome::Unknown),
        (Error::Database(Coded("")), Outcome::Unknown),
    ] {
        assert_eq!(error.outcome(), outcome, "{error:?}");
    }
}

#[test]
fn only_what_passes_by_itself_is_transient() {
    for (code, verdict, transient) in [
        ("57014", Verdict::Cancelled, false),
        ("25P02", Verdict::Aborted, false),
        ("57P01", Verdict::Closed, true),
        ("08006", Verdict::Closed, true),
        ("40P01", Verdict::Transient, true),
        ("53300", Verdict::Transient, true),
        ("23505", Verdict::Other, false),
    ] {
        assert_eq!(Coded(code).verdict(), verdict, "{code}");
        assert_eq!(Error::Database(Coded(code)).is_transient(), transient, "{code}");
    }
    assert!(Error::Unavailable(Coded("53300")).is_transient());
    assert!(!Error::Unavailable(Coded("28P01")).is_transient(), "a wrong password stays wrong");
    assert!(!interrupted(Outcome::Unknown).is_transient());
}

#[test]
fn the_drivers_error_is_its_source() {
    assert!(Error::Database(Coded("x")).source().is_some_and(|source| source.is::<Coded>()));
    let mapped = Error::Unavailable(Coded("x")).map(|coded| io::Error::other(coded.0));
    assert!(mapped.source().is_some_and(|source| source.is::<io::Error>()));
}

//! One object per request, for programs.

use std::time::Duration;

use serde::Serialize;

use super::Hop;
use super::foretell::Ending;
use super::trace::{Leg, Trace};

/// What one request became.
#[derive(Debug, Serialize)]
pub(super) struct Object<'a> {
    request: &'static str,
    hops: Vec<HopObject<'a>>,
    status: Option<u16>,
    stage: Option<&'static str>,
    cause: Option<&'static str>,
    hop: Option<&'static str>,
    elapsed_ms: u64,
    foretold: bool,
    /// What was foretold, where it is not what came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expected: Vec<Expected>,
    /// Why there is no database, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    database_skipped: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct HopObject<'a> {
    name: &'static str,
    budget_ms: Option<u64>,
    remaining_ms: Option<u64>,
    sent_header: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Expected {
    status: Option<u16>,
    stage: Option<&'static str>,
    cause: Option<&'static str>,
    hop: Option<&'static str>,
    reached: Option<&'static str>,
}

impl<'a> Object<'a> {
    pub(super) fn new(trace: &'a Trace, foretold: &[Ending], skipped: Option<&'a str>) -> Self {
        let got = trace.ending();
        let is_foretold = foretold.contains(&got);
        let Expected { status, stage, cause, hop, .. } = Expected::from(&got);
        Self {
            request: trace.case.as_str(),
            hops: trace.legs.iter().map(HopObject::from).collect(),
            status,
            stage,
            cause,
            hop,
            elapsed_ms: millis(trace.elapsed),
            foretold: is_foretold,
            expected: foretold.iter().filter(|_| !is_foretold).map(Expected::from).collect(),
            database_skipped: skipped,
        }
    }
}

impl<'a> From<&'a Leg> for HopObject<'a> {
    fn from(leg: &'a Leg) -> Self {
        Self {
            name: leg.hop.as_str(),
            budget_ms: leg.budget.map(millis),
            remaining_ms: leg.remaining().map(millis),
            sent_header: leg.sent.as_deref(),
        }
    }
}

impl From<&Ending> for Expected {
    fn from(ending: &Ending) -> Self {
        Self {
            status: ending.status,
            stage: ending.stage.map(|stage| stage.as_str()),
            cause: ending.cause.map(|cause| cause.as_str()),
            hop: ending.hop.map(Hop::as_str),
            reached: ending.reached.map(Hop::as_str),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::trace::fixture::{left, too_slow};
    use serde_json::{Value, json};

    fn object(trace: &Trace, foretold: &[Ending]) -> Value {
        serde_json::to_value(Object::new(trace, foretold, None)).unwrap()
    }

    #[test]
    fn tells_what_each_hop_had_and_sent_and_how_it_ended() {
        let trace = too_slow();
        let hop = |name, budget_ms, remaining_ms, sent_header: Option<&str>| json!({ "name": name, "budget_ms": budget_ms, "remaining_ms": remaining_ms, "sent_header": sent_header });
        let expected = json!({
            "request": "too_slow",
            "hops": [
                hop("proxy", 1000, 118, Some("959ms")),
                hop("orders", 959, 79, Some("887ms")),
                hop("payments", 887, 40, None),
            ],
            "status": 504,
            "stage": "handler",
            "cause": "deadline",
            "hop": "payments",
            "elapsed_ms": 884,
            "foretold": true,
        });
        assert_eq!(object(&trace, &[trace.ending()]), expected);
    }

    #[test]
    fn a_client_that_left_has_no_status_and_a_difference_names_what_was_foretold() {
        let object = object(&left(), &[too_slow().ending()]);
        assert_eq!((&object["status"], &object["cause"]), (&Value::Null, &json!("client_gone")));
        assert_eq!(object["foretold"], json!(false));
        let expected = json!([{
            "status": 504, "stage": "handler", "cause": "deadline", "hop": "payments", "reached": "payments",
        }]);
        assert_eq!(object["expected"], expected);
    }

    #[test]
    fn why_there_is_no_database_is_told_with_each_request() {
        let trace = too_slow();
        let object = serde_json::to_value(Object::new(&trace, &[], Some("it is not installed"))).unwrap();
        assert_eq!(object["database_skipped"], json!("it is not installed"));
    }
}

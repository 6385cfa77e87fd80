//! Sets in code, how a route is found, and what each key of a policy does through the layers.

use std::time::Duration;

use http::StatusCode;
use http_deadline::{Policy, PolicyName};

use super::{Conflict, PolicySet, PolicySetError};
use crate::testing::MS;

mod choose;
#[cfg(feature = "policy-toml")]
mod keys;

fn named(name: &str) -> Policy {
    Policy::new().named(name)
}

#[test]
fn a_route_leads_to_its_policy_and_every_other_to_the_default() {
    let set = PolicySet::new(named("base")).unwrap();
    let set = set.policy(named("report")).unwrap().route("/reports/{id}", "report").unwrap();
    let set = set.route("/health", "base").unwrap();
    for (route, policy) in [
        ("/reports/{id}", "report"),
        ("/reports/7", "base"),
        ("/reports/{id}/", "base"),
        ("/health", "base"),
        ("", "base"),
    ] {
        assert_eq!(set.of_route(route).name().as_str(), policy, "{route}");
    }
    let names: Vec<_> = set.policies().map(|policy| policy.name().as_str()).collect();
    assert_eq!(names, ["base", "report"]);
}

#[test]
fn a_methods_own_policy_wins_over_its_services() {
    let set = PolicySet::new(Policy::new()).unwrap();
    let set = set.policy(named("report")).unwrap().policy(named("yearly")).unwrap();
    let set = set.route("/shop.Reports/*", "report").unwrap().route("/shop.Reports/Yearly", "yearly").unwrap();
    for (path, policy) in [
        ("/shop.Reports/Yearly", "yearly"),
        ("/shop.Reports/Daily", "report"),
        ("/shop.Reports/", "report"),
        ("/shop.Reports/Daily/More", "default"),
        ("/shop.Reports", "default"),
        ("/shop.ReportsOld/Daily", "default"),
        ("/Reports/Daily", "default"),
        ("", "default"),
        ("*", "default"),
    ] {
        assert_eq!(set.of_grpc_method(path).name().as_str(), policy, "{path}");
    }
    // A router's path is looked up as it is.
    assert_eq!(set.of_route("/shop.Reports/Daily").name(), PolicyName::DEFAULT);
}

#[test]
fn what_cannot_be_added_is_told_by_type_and_in_words() {
    let set = || PolicySet::new(Policy::new()).unwrap().policy(named("report")).unwrap();
    let unnamed = "a policy has an empty name; name it by `Policy::named`";
    let cases = [
        (PolicySet::new(named("")), PolicySetError::Unnamed, unnamed),
        (set().policy(named(" ")), PolicySetError::Unnamed, unnamed),
        (
            set().policy(named("report")),
            PolicySetError::DuplicatePolicy(PolicyName::new("report")),
            "there is a policy `report` already; name this one otherwise",
        ),
        (
            set().policy(Policy::new()),
            PolicySetError::DuplicatePolicy(PolicyName::DEFAULT),
            "there is a policy `default` already; name this one otherwise",
        ),
        (
            set().route("/", "report").unwrap().route("/", "default"),
            PolicySetError::DuplicateRoute("/".into()),
            "the route `/` has a policy already; leave one of them out",
        ),
        (
            set().route("/", "reports"),
            PolicySetError::UnknownPolicy { route: "/".into(), policy: "reports".into() },
            "the route `/` names the policy `reports`, which is not there; add the policy first",
        ),
        (
            set().policy(named("other").default_timeout(3 * MS).reserve(3 * MS)),
            PolicySetError::Conflict {
                policy: PolicyName::new("other"),
                conflict: Conflict::ReserveOverLimit { reserve: 3 * MS, limit: 3 * MS },
            },
            "policy `other`: the reserve of 3ms leaves nothing of 3ms for an outgoing call; expected less",
        ),
        (
            PolicySet::new(Policy::new().default_timeout(Duration::ZERO)),
            PolicySetError::Conflict { policy: PolicyName::DEFAULT, conflict: Conflict::ZeroTimeout },
            "policy `default`: a timeout of zero refuses every request; expected more",
        ),
    ];
    for (outcome, error, message) in cases {
        assert_eq!(outcome.err().as_ref(), Some(&error));
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn limits_that_go_together_are_no_conflict() {
    for policy in [
        Policy::new(),
        Policy::new().default_timeout(3 * MS).max(3 * MS).min(3 * MS).reserve(2 * MS),
        Policy::new().max(3 * MS).min(3 * MS),
        Policy::new().min(9 * MS).reserve(9 * MS).status(StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(Conflict::all(&policy), [], "{policy:?}");
    }
}

#[test]
fn each_limit_that_cannot_be_kept_is_found() {
    let status = Policy::new().status(StatusCode::OK);
    for (policy, conflict) in [
        (Policy::new().max(Duration::ZERO), Conflict::ZeroMax),
        (Policy::new().default_timeout(3 * MS).max(2 * MS), Conflict::TimeoutOverMax { timeout: 3 * MS, max: 2 * MS }),
        (Policy::new().min(3 * MS).max(2 * MS), Conflict::MinOverMax { min: 3 * MS, max: 2 * MS }),
        (
            Policy::new().min(3 * MS).default_timeout(2 * MS).max(9 * MS),
            Conflict::MinOverTimeout { min: 3 * MS, timeout: 2 * MS },
        ),
        (status.clone().pool_status(StatusCode::BAD_GATEWAY), Conflict::NoError(StatusCode::OK)),
        (status, Conflict::NoError(StatusCode::OK)),
        (Policy::new().pool_status(StatusCode::OK), Conflict::NoErrorOfPool(StatusCode::OK)),
    ] {
        assert_eq!(Conflict::all(&policy), [conflict], "{policy:?}");
    }
}

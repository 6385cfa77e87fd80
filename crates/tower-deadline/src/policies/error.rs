//! What can be wrong with a set that is made in code.
//!
//! Covers names, routes and the limits of each policy. Does not know files, whose errors have a place.

use std::error::Error;
use std::fmt;

use http_deadline::PolicyName;

use super::Conflict;

/// Why a policy or a route cannot be added to a [`PolicySet`](super::PolicySet).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicySetError {
    /// The name of the policy is empty.
    Unnamed,
    /// There is a policy of this name already.
    DuplicatePolicy(PolicyName),
    /// This route has a policy already.
    DuplicateRoute(String),
    /// A route names a policy that is not there.
    UnknownPolicy {
        /// The route.
        route: String,
        /// What it names.
        policy: String,
    },
    /// The limits of this policy cannot be kept.
    Conflict {
        /// The policy.
        policy: PolicyName,
        /// What is wrong with it.
        conflict: Conflict,
    },
}

impl fmt::Display for PolicySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("a policy has an empty name; name it by `Policy::named`"),
            Self::DuplicatePolicy(name) => write!(f, "there is a policy `{name}` already; name this one otherwise"),
            Self::DuplicateRoute(route) => write!(f, "the route `{route}` has a policy already; leave one of them out"),
            Self::UnknownPolicy { route, policy } => {
                write!(f, "the route `{route}` names the policy `{policy}`, which is not there; add the policy first")
            }
            Self::Conflict { policy, conflict } => write!(f, "policy `{policy}`: {conflict}"),
        }
    }
}

impl Error for PolicySetError {}

//! Which route a request has taken.

use std::sync::Arc;

use tower_deadline::PolicyName;

use super::Route;

/// A route, as those who are told of it know it. A clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// What the route is called.
    pub route: Arc<str>,
    /// The name of the policy that it is held to.
    pub policy: PolicyName,
}

impl Taken {
    pub(super) fn new(route: &Route) -> Self {
        Self { route: route.name.as_str().into(), policy: route.policy.name() }
    }
}

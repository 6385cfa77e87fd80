//! Which route a request has taken, for whoever stands inside.

use std::sync::Arc;

use tower_deadline::PolicyName;

use super::Route;

/// Stands in the extensions of a request that has taken a route. A clone is cheap.
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

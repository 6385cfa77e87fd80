//! What a route says of the requests that take it.

use http::HeaderName;
use tower_deadline::Policy;

use super::Matches;
use crate::attempt;
use crate::proxy::tunnel;

/// What a route matches, and what its requests are held to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// What it is called in messages, counts and logs.
    pub name: String,
    /// Where it has its name from.
    pub named: Named,
    /// Which requests take it.
    pub matches: Matches,
    /// What they are held to.
    pub policy: Policy,
    /// What they may switch to, and what tunnels are held to.
    pub tunnel: tunnel::Settings,
    /// The most of them at a time; what [`limits`](crate::limits::Settings::in_flight) says where there is none.
    pub in_flight: Option<usize>,
    /// What happens to their path on the way; nothing where there is none.
    pub rewrite: Option<Rewrite>,
    /// Which upstreams are called for them, and how often.
    pub attempts: attempt::Settings,
}

/// Where a route has its name from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Whoever has written it has given it: the route is the same wherever it stands, and whatever else is said of it.
    Given,
    /// From its place among the others, which another one can have the next time: it is the same where it matches the
    /// same.
    ByPlace,
}

/// What happens to the path of a request whose route has a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// What stands in the place of the prefix that matched: a path such as `/v2`; empty where it is only taken away.
    pub prefix: String,
    /// The field in which the upstream is told the path and query as they came.
    pub original: Option<HeaderName>,
}

impl Route {
    /// A route that takes every request, and sends it there. Its name is a given one.
    #[must_use]
    pub fn new(name: &str, attempts: attempt::Settings) -> Self {
        Self {
            name: name.to_owned(),
            named: Named::Given,
            matches: Matches::default(),
            policy: Policy::new(),
            tunnel: tunnel::Settings::default(),
            in_flight: None,
            rewrite: None,
            attempts,
        }
    }
}

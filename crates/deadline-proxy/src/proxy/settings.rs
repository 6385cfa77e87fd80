//! What a proxy is told.

use tower_deadline::{Answers, Policy, UpgradePolicy};

use crate::route::Route;
use crate::{attempt, forward, upstream};

/// What a proxy is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests can go.
    pub upstreams: Vec<upstream::Settings>,
    /// Which requests go where, and what they are held to.
    pub routes: Vec<Route>,
    /// How many retries each upstream is asked to bear.
    pub retry_budget: attempt::Budget,
    /// What is said about who asked, and who is believed.
    pub forwarding: forward::Settings,
    /// The name of this hop, in answers and in `Via`.
    pub hop: String,
    /// Whether answers say which policy or field set a deadline, and not only that it was one of them. By default they do
    /// not: that tells strangers about the inside.
    pub expose_origin: bool,
}

impl Settings {
    /// Sends every request there, without a limit of its own.
    #[must_use]
    pub fn new(upstream: upstream::Settings) -> Self {
        Self {
            upstreams: vec![upstream],
            routes: vec![Route::new("default", attempt::Settings::once(0))],
            retry_budget: attempt::Budget::default(),
            forwarding: forward::Settings::default(),
            hop: "proxy".to_owned(),
            expose_origin: false,
        }
    }

    /// How this hop answers what it does not serve.
    #[must_use]
    pub fn answers(&self) -> Answers {
        let answers = Answers::new().hop(&self.hop);
        if self.expose_origin { answers.expose_origin() } else { answers }
    }

    /// Whether a route carries a protocol that becomes a tunnel.
    #[must_use]
    pub fn has_tunnels(&self) -> bool {
        self.routes.iter().any(|route| matches!(route.tunnel.upgrades, UpgradePolicy::Allow(_)))
    }

    /// Holds all requests to this policy, whatever their route.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        for route in &mut self.routes {
            route.policy = policy.clone();
        }
        self
    }
}
